package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax/alloytypes"
)

// show prints a body as text: an attribute a line, blocks indented.
func show(b body) string {
	var out strings.Builder
	for _, a := range b.Attributes {
		fmt.Fprintf(&out, "%s = %s [%s %s]\n", a.Name, a.Text, a.Summary, a.Download)
	}
	for _, t := range b.Tables {
		fmt.Fprintf(&out, "%s %v and %d more\n", t.Name, t.Columns, t.Left)
		for _, row := range t.Rows {
			for _, a := range row {
				fmt.Fprintf(&out, "  %s;", a.Text)
			}
			fmt.Fprintln(&out)
		}
	}
	for _, c := range b.Blocks {
		fmt.Fprintf(&out, "%s {\n%s}\n", c.Name, show(c.Body))
	}
	return out.String()
}

// printed returns what a page shows of v.
func printed(t *testing.T, v any) string {
	t.Helper()
	list, err := statements(v)
	if err != nil {
		t.Fatal(err)
	}
	p := bodyPrinter{download: func(path string) string { return "get " + path }}
	return show(p.print(list, "s"))
}

func TestBodiesReadLikeAConfiguration(t *testing.T) {
	type leaf struct {
		Name string `alloy:"name,attr"`
		Size int    `alloy:"size,attr,optional"`
	}
	type branch struct {
		Leaf  leaf            `alloy:"leaf,block"`
		Notes map[string]bool `alloy:"notes,attr"`
	}
	type tree struct {
		Text     string            `alloy:"text,attr"`
		Empty    string            `alloy:"empty,attr"`
		Secret   alloytypes.Secret `alloy:"secret,attr"`
		Numbers  []float64         `alloy:"numbers,attr"`
		Nothing  []string          `alloy:"nothing,attr"`
		Leaves   []leaf            `alloy:"leaf,block"`
		Branches []branch          `alloy:"branch,block"`
	}
	got := printed(t, tree{
		Text: `a "word"`, Secret: "hidden", Numbers: []float64{1, 2.5},
		Leaves:   []leaf{{"x", 1}, {"y", 0}},
		Branches: []branch{{leaf{"z", 3}, map[string]bool{"dry-run": true}}, {}},
	})
	want := `text = a "word" [ ]
empty = "" [ ]
secret = (secret) [ ]
numbers = [
  1,
  2.5,
] [ ]
nothing = [] [ ]
leaf [name size] and 0 more
  x;  1;
  y;  ;
branch 1 of 2 {
notes = {"dry-run" = true} [ ]
leaf {
name = z [ ]
size = 3 [ ]
}
}
branch 2 of 2 {
}
`
	if got != want {
		t.Errorf("shows\n%s\nwant\n%s", got, want)
	}
}

func TestWhatIsLongIsFoldedAndCanBeHadWhole(t *testing.T) {
	type block struct {
		N int `alloy:"n,attr"`
	}
	type long struct {
		Words  []string `alloy:"words,attr"`
		Text   string   `alloy:"text,attr"`
		Blocks []block  `alloy:"block,block"`
	}
	v := long{Text: strings.Repeat("ü", shownBytes), Blocks: make([]block, shownBlocks+5)}
	for i := range v.Blocks {
		v.Blocks[i].N = i + 1
	}
	for i := range 5000 {
		v.Words = append(v.Words, fmt.Sprint("word", i))
	}
	got := printed(t, v)
	for _, part := range []string{"[5,000 items get s/0]", "[16 KiB of text get s/1]", "block [n] and 5 more"} {
		if !strings.Contains(got, part) {
			t.Errorf("does not show %q", part)
		}
	}
	if len(got) > 3*shownBytes {
		t.Errorf("shows %d bytes", len(got))
	}
	list, err := statements(v)
	if err != nil {
		t.Fatal(err)
	}
	whole, ok := find(list, []string{"0"})
	if text := whole.Text(0); !ok || !strings.Contains(text, `"word4999"`) || !strings.HasSuffix(text, "]") {
		t.Errorf("the whole value ends with %q", text[len(text)-20:])
	}
}

func TestPathsThatLeadNowhereFindNothing(t *testing.T) {
	list := []statement{{Name: "a", Type: "attr"}, {Name: "b", Type: "block", Body: []statement{{Name: "c", Type: "attr"}}}}
	f := func(path string, want bool) {
		t.Helper()
		if _, ok := find(list, strings.Split(path, separatorPath)); ok != want {
			t.Errorf("%q is found: %v", path, ok)
		}
	}
	f("0", true)
	f("1/0", true)
	f("", false)
	f("0/0", false)
	f("1", false)
	f("1/1", false)
	f("-1", false)
	f("x", false)
}

// A page of ten thousand targets encodes a few of them, and still says how many
// there are and where all can be had.
func TestLongListsAreCutBeforeTheyAreEncoded(t *testing.T) {
	type block struct {
		N int `alloy:"n,attr"`
	}
	type long struct {
		Words  []int   `alloy:"words,attr"`
		Blocks []block `alloy:"block,block,optional"`
	}
	v := long{make([]int, 10000), make([]block, 5000)}
	for i := range v.Blocks {
		v.Blocks[i].N = i + 1
	}
	f := func(v any) {
		t.Helper()
		s := source{"arguments", "Arguments", func() any { return v }}.section(func(path string) string { return path })
		got := show(s.Body)
		if !strings.Contains(got, "[10,000 items arguments/") || strings.Count(got, "\n  0,") > keptItems {
			t.Errorf("shows\n%s", got)
		}
	}
	f(v)
	f(&v)
	f(map[string]any{"words": v.Words, "other": 1})
	if got := show(source{"", "", func() any { return v }}.section(func(string) string { return "" }).Body); !strings.Contains(got, "and 4900 more") {
		t.Errorf("shows\n%s", got)
	}
	if len(v.Words) != 10000 || len(v.Blocks) != 5000 {
		t.Error("the component's own lists were cut")
	}
}

// Where a component answers for itself is a link; other text is not.
func TestPathsOfComponentsAreLinks(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := (attribute{Text: text}).Link(); got != want {
			t.Errorf("%q leads to %q; want %q", text, got, want)
		}
	}
	f("/api/v0/component/x.y.z/scrapeConfig/a/b", "/api/v0/component/x.y.z/scrapeConfig/a/b")
	f(`"/api/v0/component/x/"`, "/api/v0/component/x/")
	f("http://h/api/v0/component/x/", "")
	f("/api/v0/component/x and more", "")
}
