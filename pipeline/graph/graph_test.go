package graph

import (
	"bytes"
	"net/url"
	"regexp"
	"sync"
	"testing"

	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/token"
)

// Values are equal as configuration is equal; what is alive is itself only.
func TestEqual(t *testing.T) {
	type alive struct {
		_ sync.Mutex
		n int
	}
	type block struct {
		Name string `alloy:"name,attr"`
		Any  any    `alloy:"any,attr"`
	}
	f := func(want bool, a, b any) {
		t.Helper()
		if got := Equal(a, b); got != want {
			t.Errorf("Equal(%T, %T) = %v; want %v", a, b, got, want)
		}
		if got := Equal(b, a); got != want {
			t.Errorf("Equal(%T, %T) = %v the other way round; want %v", b, a, got, want)
		}
	}
	one, other := &alive{n: 1}, &alive{n: 1}
	f(true, nil, nil)
	f(false, nil, 1)
	f(true, 1, 1)
	f(false, 1, 2)
	f(false, 1, int64(1))
	f(true, one, one)
	f(false, one, other)
	f(true, []any{one, "x"}, []any{one, "x"})
	f(false, []any{one}, []any{other})
	f(false, []any{one}, []any{one, one})
	f(true, block{"a", one}, block{"a", one})
	f(false, block{"a", one}, block{"a", other})
	f(true, &block{"a", 1}, &block{"a", 1})
	f(false, &block{"a", 1}, &block{"b", 1})
	f(false, &block{"a", 1}, (*block)(nil))
	f(true, map[string]any{"a": []any{1}}, map[string]any{"a": []any{1}})
	f(false, map[string]any{"a": 1}, map[string]any{"b": 1})
	f(false, map[string]any{"a": 1}, map[string]any{"a": 1, "b": 1})
	f(false, []int{}, []int(nil))
	f(true, [2]int{1, 2}, [2]int{1, 2})
	f(true, &url.URL{Host: "a"}, &url.URL{Host: "a"})
	f(false, &url.URL{Host: "a"}, &url.URL{Host: "b"})
	f(true, regexp.MustCompile("a+"), regexp.MustCompile("a+"))
	f(false, func() {}, func() {})
	f(true, (func())(nil), (func())(nil))
}

// A suggestion is near, and there is none where nothing is.
func TestDidYouMean(t *testing.T) {
	f := func(name, want string, candidates ...string) {
		t.Helper()
		if got := nearest(name, candidates); got != want {
			t.Errorf("nearest(%q) = %q; want %q", name, got, want)
		}
	}
	f("forwrd_to", "forward_to", "forward_to", "targets")
	f("prometheus.scrap", "prometheus.scrape", "prometheus.relabel", "prometheus.scrape")
	f("tagrets", "targets", "targets", "target_limit")
	f("frobnicate", "", "forward_to", "targets")
	f("", "")
	f("x", "", "yy")
}

// The distance is that of a table of prefixes, which the dumb twin recurses
// over.
func TestDistance(t *testing.T) {
	var dumb func(a, b string) int
	dumb = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		x, y := len(a)-1, len(b)-1
		cost := 1
		if a[x] == b[y] {
			cost = 0
		}
		d := min(dumb(a[:x], b)+1, dumb(a, b[:y])+1, dumb(a[:x], b[:y])+cost)
		if x > 0 && y > 0 && a[x] == b[y-1] && a[x-1] == b[y] {
			d = min(d, dumb(a[:x-1], b[:y-1])+1)
		}
		return d
	}
	words := []string{"", "a", "ab", "ba", "abc", "acb", "cab", "bca", "abcd", "badc", "xabcy"}
	for _, a := range words {
		for _, b := range words {
			if got, want := distance(a, b), dumb(a, b); got != want {
				t.Errorf("distance(%q, %q) = %d; want %d", a, b, got, want)
			}
		}
	}
}

// A diagnostic is shown with its line wherever it points, and never beyond.
func TestRenderStaysInsideTheText(t *testing.T) {
	sources := map[string][]byte{"a": []byte("one\n\ttwo = \x1b[31m\"ü\"\r\nthree")}
	f := func(from, to token.Position, want string) {
		t.Helper()
		var b bytes.Buffer
		from.Filename, to.Filename = "a", "a"
		d := diag.Diagnostic{Severity: diag.SeverityLevelError, StartPos: from, EndPos: to, Message: "m"}
		if err := Render(&b, sources, diag.Diagnostics{d}); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	at := func(line, column int) token.Position { return token.Position{Line: line, Column: column} }
	f(at(1, 1), at(1, 3), "Error: a:1:1: m\n  |\n1 | one\n  | ^^^\n")
	f(at(1, 2), at(3, 2), "Error: a:1:2: m\n  |\n1 | one\n  |  ^^\n")
	f(at(1, 99), at(1, 100), "Error: a:1:99: m\n  |\n1 | one\n  |    ^\n")
	f(at(2, 2), at(2, 4), "Error: a:2:2: m\n  |\n2 |   two = ?[31m\"ü\"\n  |   ^^^\n")
	f(at(9, 1), at(9, 1), "Error: a:9:1: m\n")
	f(token.Position{}, token.Position{}, "Error: a: m\n")
}

// Diagnostics come in the order of the text, each once.
func TestSortDropsRepetitions(t *testing.T) {
	d := func(file string, line int, message string) diag.Diagnostic {
		return diag.Diagnostic{StartPos: token.Position{Filename: file, Line: line}, Message: message}
	}
	got := Sort(diag.Diagnostics{d("b", 1, "x"), d("a", 2, "x"), d("a", 1, "y"), d("a", 2, "x")})
	want := diag.Diagnostics{d("a", 1, "y"), d("a", 2, "x"), d("b", 1, "x")}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v; want %v", got[i], want[i])
		}
	}
}

// A file that is not UTF-8 text is one mistake, not one for each byte.
func TestParseTellsForeignText(t *testing.T) {
	f := func(source string, line, column int) {
		t.Helper()
		_, ds := Parse([]string{"a"}, map[string][]byte{"a": []byte(source)})
		if len(ds) != 1 || ds[0].StartPos.Line != line || ds[0].StartPos.Column != column {
			t.Errorf("%q: %v; want one mistake at %d:%d", source, ds, line, column)
		}
	}
	f("\xff\xfea\x00", 1, 1)
	f("a \"b\" { }\n// \xe9t\xe9", 2, 4)
	f("a\x00", 1, 2)
}
