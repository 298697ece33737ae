package mixin

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Dashboard is a page of Grafana, as far as ours differ from each other.
type Dashboard struct {
	UID         string // also the name of its file
	Title       string
	Description string
	Rows        []Row
}

// A Row is a title and the panels below it.
type Row struct {
	Title  string
	Panels []Panel
}

// A Panel shows the results of some queries.
type Panel struct {
	Kind        Kind
	Title       string
	Description string // what it means, and what is good
	Unit        string // one of Grafana's; empty: a plain number
	Queries     []Query
}

// A Query is an expression and what a series of it is called.
type Query struct {
	Expr   string // SEL in it stands for the matchers of the variables
	Legend string
}

// A Kind is how a panel shows its numbers.
type Kind int

// The kinds that we need.
const (
	Lines Kind = iota // over time
	Stack             // over time, added up
	Good              // one number that should not be 0, green
	Bad               // one number that should be 0, red above it
	Table             // one line for each node, a column for each query
)

// matchers select the nodes that the variables name.
const matchers = `cluster=~"$cluster", namespace=~"$namespace", job=~"$job", instance=~"$instance"`

// columns is the width of a page in Grafana's units.
const columns = 24

// object is a value in Grafana's format.
type object = map[string]any

// JSON returns d in Grafana's format, indented.
func (d Dashboard) JSON() ([]byte, error) {
	panels := []object{}
	y := 0
	for _, r := range d.Rows {
		row, height := r.layout(y, len(panels)+1)
		panels = append(panels, row...)
		y += height
	}
	out, err := json.MarshalIndent(object{
		"uid": d.UID, "title": d.Title, "description": d.Description, "tags": []string{"divvy"},
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "refresh": "10s", "timezone": "",
		"time":       object{"from": "now-1h", "to": "now"},
		"links":      []object{{"type": "dashboards", "title": "divvy", "tags": []string{"divvy"}, "asDropdown": false, "includeVars": true, "keepTime": true}},
		"templating": object{"list": variables()},
		"panels":     panels,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.UID, err)
	}
	return append(out, '\n'), nil
}

// variables are those that every dashboard has. A node without clustering has
// no cluster_name, and one outside Kubernetes no cluster and no namespace: "All"
// includes those.
func variables() []object {
	list := []object{{"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus"}}
	selected := ""
	for _, name := range []string{"cluster", "namespace", "job", "cluster_name", "instance"} {
		v := object{
			"name": name, "type": "query", "datasource": source(), "refresh": 2, "sort": 1, "multi": true, "includeAll": true,
			"query":   fmt.Sprintf("label_values(divvy_config_hash{%s}, %s)", strings.TrimSuffix(selected, ", "), name),
			"current": object{"text": "All", "value": "$__all"},
		}
		if name != "instance" {
			v["allValue"] = ".*"
		}
		list = append(list, v)
		selected += fmt.Sprintf(`%s=~"$%[1]s", `, name)
	}
	return list
}

func source() object { return object{"type": "prometheus", "uid": "${datasource}"} }

// layout places the panels of a row, of which the first is its title, from line
// y on. It returns how many lines they take.
func (r Row) layout(y, id int) (panels []object, height int) {
	panels = []object{{"id": id, "type": "row", "title": r.Title, "collapsed": false, "panels": []object{}, "gridPos": place(0, y, columns, 1)}}
	x, below := 0, 1
	tallest := 0
	for _, p := range r.Panels {
		w, h := p.size(len(r.Panels))
		if x+w > columns {
			x, below, tallest = 0, below+tallest, 0
		}
		o := p.object()
		o["id"], o["gridPos"] = id+len(panels), place(x, y+below, w, h)
		panels = append(panels, o)
		x, tallest = x+w, max(tallest, h)
	}
	return panels, below + tallest
}

func place(x, y, w, h int) object { return object{"x": x, "y": y, "w": w, "h": h} }

// size returns the width and height of one of n panels in a row.
func (p Panel) size(n int) (w, h int) {
	switch p.Kind {
	case Table:
		return columns, 8
	case Good, Bad:
		return max(3, columns/n), 4
	}
	return columns / 3, 8
}

// object returns p without its place.
func (p Panel) object() object {
	defaults := object{"unit": p.Unit, "min": 0}
	if p.Unit == "" {
		defaults["unit"] = "short"
	}
	o := object{
		"title": p.Title, "description": p.Description, "datasource": source(), "targets": p.targets(),
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}},
	}
	switch p.Kind {
	case Lines, Stack:
		o["type"] = "timeseries"
		custom := object{"lineWidth": 1, "fillOpacity": 0, "showPoints": "never"}
		if p.Kind == Stack {
			custom["fillOpacity"], custom["stacking"] = 20, object{"mode": "normal"}
		}
		defaults["custom"] = custom
		o["options"] = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	case Good, Bad:
		o["type"] = "stat"
		o["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "graphMode": "area", "colorMode": "value"}
		defaults["thresholds"] = object{"mode": "absolute", "steps": p.steps()}
	case Table:
		o["type"] = "table"
		o["transformations"], o["fieldConfig"] = p.joined()
	}
	return o
}

// steps are the colours of a single number.
func (p Panel) steps() []object {
	below, above := "red", "green"
	if p.Kind == Bad {
		below, above = above, below
	}
	return []object{{"color": below, "value": nil}, {"color": above, "value": 0.000001}}
}

// targets are the queries in Grafana's format.
func (p Panel) targets() []object {
	var list []object
	for i, q := range p.Queries {
		t := object{"refId": string(rune('A' + i)), "expr": strings.ReplaceAll(q.Expr, "SEL", matchers), "legendFormat": q.Legend, "datasource": source()}
		if p.Kind == Table {
			t["instant"], t["range"], t["format"] = true, false, "table"
		}
		list = append(list, t)
	}
	return list
}

// joined makes one table of the tables that the queries return, by instance:
// each legend is "column" or "column, unit". A column of words is the label that
// the legend names in braces.
func (p Panel) joined() (transformations []object, fields object) {
	names, overrides := object{}, []object{}
	include := object{"instance": true}
	for i, q := range p.Queries {
		name, unit, _ := strings.Cut(q.Legend, ", ")
		field := fmt.Sprintf("Value #%c", 'A'+i)
		if label, ok := strings.CutPrefix(name, "{"); ok {
			field = strings.TrimSuffix(label, "}")
			name = field
		}
		names[field], include[field] = name, true
		overrides = append(overrides, object{
			"matcher":    object{"id": "byName", "options": name},
			"properties": []object{{"id": "unit", "value": unit}},
		})
	}
	transformations = []object{
		{"id": "joinByField", "options": object{"byField": "instance", "mode": "outer"}},
		{"id": "organize", "options": object{"includeByName": include, "renameByName": names}},
	}
	return transformations, object{"defaults": object{}, "overrides": overrides}
}
