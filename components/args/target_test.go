package args

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/alloy/syntax"
	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/vm"

	"github.com/divvy-collector/divvy/telemetry"
)

// evaluate evaluates an expression that may refer to two targets as ts, a
// secret and a map.
func evaluate(t *testing.T, src string, into any) error {
	t.Helper()
	expr, err := parser.ParseExpression(src)
	if err != nil {
		t.Fatalf("parse %q: %v", src, err)
	}
	return vm.New(expr).Evaluate(vm.NewScope(map[string]any{
		"ts": []Target{
			FromMap(map[string]string{"__address__": "a:1", "job": "x"}),
			FromMap(map[string]string{"__address__": "b:2", "job": "y"}),
		},
		"secret":   alloytypes.Secret("hush"),
		"optional": alloytypes.OptionalSecret{Value: "shown"},
		"m":        map[string]string{"k": "v"},
		"r":        []Receiver{{}},
	}), into)
}

func TestTargetsDecodeFromObjects(t *testing.T) {
	f := func(src string, want ...string) {
		t.Helper()
		var got []Target
		if err := evaluate(t, src, &got); err != nil {
			t.Errorf("%s: %v", src, err)
			return
		}
		text := make([]string, len(got))
		for i, target := range got {
			text[i] = target.Target.String()
		}
		if diff := cmp.Diff(want, text); diff != "" {
			t.Errorf("%s: %s", src, diff)
		}
	}
	f(`[{"__address__" = "a:1"}]`, `{__address__="a:1"}`)
	f(`[{n = 3, f = 0.5, b = true, z = -4, nothing = null, empty = ""}]`, `{b="true", f="0.5", n="3", z="-4"}`)
	f(`[{"label with spaces" = "x", s = optional}]`, `{"label with spaces"="x", s="shown"}`)
	f(`[m]`, `{k="v"}`)
	f(`ts`, `{__address__="a:1", job="x"}`, `{__address__="b:2", job="y"}`)
	f(`[ts[1]]`, `{__address__="b:2", job="y"}`)
	f(`array.concat([{"__address__" = "z:0"}], ts)`, `{__address__="z:0"}`, `{__address__="a:1", job="x"}`, `{__address__="b:2", job="y"}`)
	f(`array.combine_maps(ts, [{job = "x", team = "red"}], ["job"])`, `{__address__="a:1", job="x", team="red"}`)
	f(`array.combine_maps([{job = "y", team = "blue"}], ts, ["job"])`, `{__address__="b:2", job="y", team="blue"}`)
	f(`coalesce([], ts)`, `{__address__="a:1", job="x"}`, `{__address__="b:2", job="y"}`)
	f(`encoding.from_json("[{\"__address__\": \"j:1\", \"port\": 80}]")`, `{__address__="j:1", port="80"}`)
}

func TestTargetsReadAsObjects(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		var got string
		if err := evaluate(t, src, &got); err != nil || got != want {
			t.Errorf("%s gives %q, %v; want %q", src, got, err, want)
		}
	}
	f(`ts[0]["__address__"]`, "a:1")
	f(`ts[1].job`, "y")
	f(`ts[0]["missing"]`, "")
	var m map[string]string
	if err := evaluate(t, `ts[0]`, &m); err != nil || m["job"] != "x" {
		t.Errorf("as a map: %v, %v", m, err)
	}
	var any map[string]any
	if err := (FromMap(m)).ConvertInto(&any); err != nil || any["job"] != "x" {
		t.Errorf("as a map of anything: %v, %v", any, err)
	}
}

func TestTargetsRefuseWhatIsNoLabel(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		var got []Target
		err := evaluate(t, src, &got)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v; want %q", src, err, want)
		}
	}
	f(`[{a = secret}]`, "convert.nonsensitive()")
	f(`[{a = [1]}]`, `label "a" of the target is a`)
	f(`[{a = {b = 1}}]`, "use a string, a number or a boolean")
	f(`[1]`, "should be capsule")
	f(`r`, "expected")
}

func TestTargetsCompare(t *testing.T) {
	list := []telemetry.Target{FromMap(map[string]string{"a": "1"}).Target, FromMap(map[string]string{"b": "2"}).Target}
	again := Targets(FromTargets(list))
	for i := range list {
		if list[i] != again[i] {
			t.Errorf("%s is not %s", list[i], again[i])
		}
	}
	if got := FromTargets(nil); got == nil || len(got) != 0 {
		t.Errorf("no targets give %v", got)
	}
}

// A target prints as an object, for the component page.
func TestTargetPrintsAsObject(t *testing.T) {
	out, err := syntax.MarshalValue(FromMap(map[string]string{"job": "x"}))
	if err != nil || !strings.Contains(string(out), `job = "x"`) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestSinksLeavesOutNull(t *testing.T) {
	sink := telemetry.Fanout(nil)
	if got := Sinks([]Receiver{{}, {Sink: sink}}); len(got) != 1 || got[0] != sink {
		t.Errorf("%v", got)
	}
}
