package ui

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// remoteWritePage is the endpoints of all nodes, and the last hour of those of
// one node.
type remoteWritePage struct {
	Node      string // whose endpoints are shown
	Self      string
	Nodes     []option
	Rows      []endpointRow // of the fleet, what is wrong first
	More      int           // rows that are left out
	All       string        // URL of the page with all rows
	Endpoints []endpointView
	Fault     string // why the last hour cannot be shown
	Silent    []report.Silent
}

// remoteWrite is the model of the page about endpoints.
func (u *UI) remoteWrite(r *http.Request) (any, error) {
	if u.cfg.Fleet == nil {
		return nil, errNoFleet
	}
	l, f := linkOf(r), u.cfg.Fleet.Fleet(r.Context())
	past, err := u.cfg.Fleet.Histories(r.Context(), cmp.Or(l.Get("node"), f.Asked))
	page := listEndpoints(l, f, past)
	if err != nil {
		page.Fault = err.Error()
	}
	return page, nil
}

// listEndpoints returns the page that l asks for, with the past of the node's
// endpoints.
func listEndpoints(l link, f report.Fleet, past []report.History) remoteWritePage {
	page := remoteWritePage{Node: cmp.Or(l.Get("node"), f.Asked), Self: f.Asked, Silent: f.Silent}
	for _, n := range f.Nodes {
		text := n.Name
		if n.Name == f.Asked {
			text += " (this node)"
		}
		page.Nodes = append(page.Nodes, option{n.Name, text, n.Name == page.Node})
		for _, e := range n.Queues {
			page.Rows = append(page.Rows, newEndpointRow(n.Name, e, f.At))
			if n.Name == page.Node {
				page.Endpoints = append(page.Endpoints, newEndpointView(e, past, f.At))
			}
		}
	}
	slices.SortStableFunc(page.Rows, func(a, b endpointRow) int {
		return cmp.Compare(slices.Index(tones[:], a.Tone), slices.Index(tones[:], b.Tone))
	})
	if len(page.Rows) > endpointRows && l.Get("all") == "" {
		page.More, page.All = len(page.Rows)-endpointRows, l.With("all", "yes")
		page.Rows = page.Rows[:endpointRows]
	}
	return page
}

// endpointRows is how many endpoints are listed if all are not asked for.
const endpointRows = 12

// tones are those of states, with what needs attention first.
var tones = [...]string{"bad", "busy", "dim", "good"}

// An endpointRow is an endpoint of a node, in a list.
type endpointRow struct {
	Node string
	status.Endpoint
	Tone  string // good, busy, bad or dim
	Words string // how it is doing
	Lost  int64  // samples, for whatever reason
}

// ID is the row's own, whatever its place in the list.
func (e endpointRow) ID() string { return "endpoint-" + e.Node + "-" + e.Component + "-" + e.Name }

const (
	lagNotable = 30 * time.Second // an endpoint so far behind is on its way to being late
	lagAlarm   = time.Minute
)

// newEndpointRow returns the row of an endpoint.
func newEndpointRow(node string, e status.Endpoint, now time.Time) endpointRow {
	row := endpointRow{Node: node, Endpoint: e}
	row.Tone, row.Words = endpointState(e, now)
	for _, n := range e.Dropped {
		row.Lost += n
	}
	return row
}

// endpointState says how an endpoint is doing: delivering, behind by 3 min since
// 14:02:10, refused.
func endpointState(e status.Endpoint, now time.Time) (tone, words string) {
	behind := ""
	if e.Lag > 0 {
		behind = "behind by " + human.Span(e.Lag)
	}
	if !e.FailingSince.IsZero() {
		behind += " since " + human.Clock(now, e.FailingSince)
	}
	switch {
	case e.Refused:
		return "bad", "what is sent is refused and dropped since " + human.Clock(now, e.FailingSince) + ": " + e.Err
	case e.Err != "" && e.Lag >= lagNotable:
		return "bad", behind + ": " + e.Err
	case e.Err != "":
		return "busy", "trying again: " + e.Err
	case e.Lag >= lagAlarm:
		return "bad", behind
	case e.Lag >= lagNotable:
		return "busy", behind
	case e.Sent == 0 && e.Backlog == 0:
		return "dim", "nothing to send yet"
	default:
		return "good", "delivering"
	}
}

// An endpointView is an endpoint with its last hour.
type endpointView struct {
	endpointRow
	Rate    float64 // samples a second, lately
	Plots   []plot
	Reasons []reason // why samples were dropped
}

// A reason is why samples were dropped, and how many.
type reason struct {
	Text  string
	Count int64
}

// newEndpointView returns an endpoint with its last hour out of the past of all
// endpoints of its node.
func newEndpointView(e status.Endpoint, past []report.History, now time.Time) endpointView {
	v := endpointView{endpointRow: newEndpointRow("", e, now)}
	for _, why := range slices.Sorted(maps.Keys(e.Dropped)) {
		if n := e.Dropped[why]; n > 0 {
			v.Reasons = append(v.Reasons, reason{strings.ReplaceAll(why, "_", " "), n})
		}
	}
	for _, h := range past {
		if h.Component == e.Component && h.Endpoint == e.Name {
			v.Plots = endpointPlots(v.ID(), h.Points)
			v.Rate = lately(h.Points)
		}
	}
	return v
}

// lately returns how many samples a second were sent in the last minute.
func lately(points []status.Point) float64 {
	points = points[max(0, len(points)-int(time.Minute/status.PointEvery)):]
	if len(points) == 0 {
		return 0
	}
	sent := int64(0)
	for _, p := range points {
		sent += p.Sent
	}
	return float64(sent) / (float64(len(points)) * status.PointEvery.Seconds())
}

// endpointPlots returns the last hour of an endpoint. What never happened has
// no plot, but for the first three.
func endpointPlots(id string, points []status.Point) []plot {
	var times []time.Time
	for _, p := range points {
		times = append(times, p.At)
	}
	draw := func(name, title, unit, tone string, value func(status.Point) float64) plot {
		values := make([]float64, len(points))
		for i, p := range points {
			values[i] = value(p)
		}
		if !slices.ContainsFunc(values, func(v float64) bool { return v > 0 }) {
			tone = "" // what did not happen is not alarming
		}
		return plot{
			ID: id + "-" + name, Title: title, Unit: unit, Times: times,
			Curves: []curve{{Name: strings.ToLower(title), Values: values, Tone: tone}},
		}
	}
	// Counts are of the time between two points; people think in seconds.
	every := status.PointEvery.Seconds()
	plots := []plot{
		draw("lag", "Lag", "seconds", "", func(p status.Point) float64 { return p.Lag.Seconds() }),
		draw("sent", "Samples sent", "rate", "", func(p status.Point) float64 { return float64(p.Sent) / every }),
		draw("wire", "Bytes sent a second", "bytes", "", func(p status.Point) float64 { return float64(p.SentBytes) / every }),
		draw("backlog", "Backlog", "", "", func(p status.Point) float64 { return float64(p.Backlog) }),
		draw("bytes", "Backlog in bytes", "bytes", "", func(p status.Point) float64 { return float64(p.Bytes) }),
		draw("failed", "Failed requests", "rate", "bad", func(p status.Point) float64 { return float64(p.Failed) / every }),
	}
	dropped := draw("dropped", "Dropped samples", "rate", "bad", func(p status.Point) float64 { return float64(p.Dropped) / every })
	if slices.ContainsFunc(points, func(p status.Point) bool { return p.Dropped > 0 }) {
		plots = append(plots, dropped)
	}
	return plots
}
