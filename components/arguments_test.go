package components

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/alloy/syntax"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A row is one argument, block or export, as the table and the code have it.
type row struct {
	Kind     string // attr or block
	Required bool
}

// documented is a row of the table with its default; empty if there is none.
type documented struct {
	row
	Default string
}

// table reads testdata/arguments.tsv: by component, then by
// "section block > block . name".
func table(t *testing.T) map[string]map[string]documented {
	t.Helper()
	text, err := os.ReadFile("testdata/arguments.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]documented{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 7 || f[0] == "component" {
			continue
		}
		if out[f[0]] == nil {
			out[f[0]] = map[string]documented{}
		}
		required := f[5] == "yes" || f[1] == "export"
		out[f[0]][pathOf(f[1], f[2], f[4])] = documented{row: row{Kind: f[3], Required: required}, Default: f[6]}
	}
	return out
}

func pathOf(section, block, name string) string {
	return strings.TrimSpace(section+" "+block) + " . " + name
}

// own are arguments that only divvy has.
var own = map[string]bool{
	"prometheus.remote_write argument wal . max_bytes": true, // the disk cap of the log
	"pyroscope.echo export . receiver":                 true, // the whole kind
	"pyroscope.write argument . wal":                   true,
	"pyroscope.write argument wal . max_bytes":         true, // the disk cap of the log
}

// Every documented argument, block and export is there, and nothing else.
func TestArgumentsAreThoseOfTheTable(t *testing.T) {
	want := table(t)
	for _, kind := range All() {
		t.Run(kind.Name, func(t *testing.T) {
			got := map[string]row{}
			addFields("argument", "", kind.Arguments, got)
			if kind.Exports != nil {
				addFields("export", "", kind.Exports, got)
			}
			for path := range got {
				if own[kind.Name+" "+path] {
					delete(got, path)
				}
			}
			rows := map[string]row{}
			for path, d := range want[kind.Name] {
				rows[path] = d.row
			}
			if diff := cmp.Diff(rows, got); diff != "" {
				t.Errorf("table (-) and code (+) differ:\n%s", diff)
			}
		})
		delete(want, kind.Name)
	}
	for name := range want {
		t.Errorf("no kind %s in All", name)
	}
}

// addFields adds the fields of t, in the block with that path, to out.
func addFields(section, block string, t reflect.Type, out map[string]row) {
	for f := range t.Fields() {
		tag, ok := f.Tag.Lookup("alloy")
		if !ok {
			continue
		}
		parts := strings.Split(tag, ",")
		if len(parts) > 1 && parts[1] == "squash" {
			addFields(section, block, f.Type, out)
			continue
		}
		if parts[1] == "label" {
			continue
		}
		optional := len(parts) > 2 && parts[2] == "optional"
		out[pathOf(section, block, parts[0])] = row{Kind: parts[1], Required: !optional}
		if parts[1] == "block" {
			addFields(section, strings.TrimPrefix(block+" > "+parts[0], " > "), elem(f.Type), out)
		}
	}
}

// elem returns the struct of a block: T, *T, []T or []*T.
func elem(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// undocumentedDefaults are rows whose default in the table is a description.
var undocumentedDefaults = map[string]string{
	"prometheus.scrape argument . job_name":                 "",                    // the component's ID, when it is built
	"pyroscope.scrape argument . job_name":                  "",                    // the same
	"prometheus.scrape argument . scrape_fallback_protocol": "PrometheusText0.0.4", // spelled as a Go constant
}

// An empty block has the documented defaults.
func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	want := table(t)
	for _, kind := range All() {
		got := map[string]any{}
		defaults("argument", "", kind.Arguments, got)
		for path, d := range want[kind.Name] {
			expect, special := undocumentedDefaults[kind.Name+" "+path]
			if !special {
				expect = d.Default
			}
			if d.Default == "" {
				continue
			}
			if text := spell(got[path]); !sameDefault(expect, text) {
				t.Errorf("%s: %s is %s by default; want %s", kind.Name, path, text, expect)
			}
		}
	}
}

// defaults adds the value of each argument in an empty block to out.
func defaults(section, block string, t reflect.Type, out map[string]any) {
	v := reflect.New(t)
	if d, ok := v.Interface().(syntax.Defaulter); ok {
		d.SetToDefault()
	}
	if d, ok := v.Interface().(syntax.Validator); ok {
		_ = d.Validate() // may complete defaults; it also misses what is required
	}
	values(section, block, v.Elem(), out)
}

func values(section, block string, v reflect.Value, out map[string]any) {
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("alloy")
		if !ok {
			continue
		}
		switch parts := strings.Split(tag, ","); parts[1] {
		case "squash":
			values(section, block, v.Field(i), out)
		case "label":
		case "block":
			path, t := strings.TrimPrefix(block+" > "+parts[0], " > "), elem(v.Field(i).Type())
			if !reflect.PointerTo(t).Implements(reflect.TypeFor[syntax.Defaulter]()) && v.Field(i).Kind() == reflect.Struct {
				values(section, path, v.Field(i), out) // the block around it has set the defaults
				continue
			}
			defaults(section, path, t, out)
		default:
			out[pathOf(section, block, parts[0])] = v.Field(i).Interface()
		}
	}
}

// spell writes a value as the table does.
func spell(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return v.String()
	case map[string]string:
		if len(v) == 0 {
			return "{}"
		}
	case []string:
		text, _ := json.Marshal(v)
		return string(text)
	}
	return fmt.Sprint(v)
}

// sameDefault compares ignoring quotes, spaces and how a duration is written.
func sameDefault(a, b string) bool {
	plain := func(s string) string {
		if unquoted, err := strconv.Unquote(s); err == nil {
			s = unquoted
		}
		if d, err := time.ParseDuration(s); err == nil {
			s = d.String()
		}
		return strings.ReplaceAll(s, " ", "")
	}
	return plain(a) == plain(b) || plain(a) == "0" && plain(b) == "0s"
}

// Every kind has a name of its own, and the list is in the order of the manual.
func TestKindsAreInOrder(t *testing.T) {
	last := ""
	for _, k := range All() {
		if k.Name <= last {
			t.Errorf("%s comes after %s", k.Name, last)
		}
		last = k.Name
		if k.Arguments == reflect.TypeFor[component.None]() && k.Exports == nil {
			t.Errorf("%s takes nothing and gives nothing", k.Name)
		}
	}
}
