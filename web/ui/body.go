package ui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/alloy/syntax/encoding/alloyjson"

	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/web/ui/literal"
)

// A statement is an attribute or a block, as the encoder of the configuration
// language has it. Values of secret types are hidden there, and those of fields
// that are secret by name.
type statement struct {
	Name  string        `json:"name"`
	Type  string        `json:"type"` // attr or block
	Label string        `json:"label"`
	Value literal.Value `json:"value"` // of an attribute
	Body  []statement   `json:"body"`  // of a block
}

// statements returns what v, a struct with alloy tags or a map, says.
func statements(v any) ([]statement, error) {
	if v == nil {
		return nil, nil
	}
	text, err := alloyjson.MarshalBody(v)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	if text, err = status.HideFields(text); err != nil {
		return nil, fmt.Errorf("hide secrets of encoded body: %w", err)
	}
	var list []statement
	if err := json.Unmarshal([]byte(status.HidePasswords(string(text))), &list); err != nil {
		return nil, fmt.Errorf("read encoded body: %w", err)
	}
	return list, nil
}

// A body is statements as a page shows them.
type body struct {
	Attributes []attribute
	Blocks     []block
	Tables     []blockTable
}

// An attribute is a name with a value, printed as in a configuration.
type attribute struct {
	Name     string
	Text     string
	Summary  string // of a value that is folded; "": it is short
	Download string // URL of the whole value; "": Text is whole
}

// served is where components answer for themselves.
const served = "/api/v0/component/"

// Link is where the value leads, if it is a path at which a component answers.
func (a attribute) Link() string {
	if path := strings.Trim(a.Text, `"`); strings.HasPrefix(path, served) && !strings.ContainsAny(path, " \n\"") {
		return path
	}
	return ""
}

// A block is one with blocks in it, or one that is alone.
type block struct {
	Name string
	Body body
}

// A blockTable is blocks of one name that hold only attributes: a row each.
type blockTable struct {
	Name    string
	Columns []string
	Rows    [][]attribute
	Left    int // rows that are not shown
}

const (
	foldedBytes   = 240  // a longer value is folded
	shownBytes    = 8000 // of a value; the rest is for download
	shownBlocks   = 100  // of one name in one body
	separatorPath = "/"
)

// A bodyPrinter makes bodies of statements.
type bodyPrinter struct {
	download func(path string) string // URL of the value that find returns for path
	whole    map[string]int           // how long lists were that an excerpt has cut, by name
}

// print returns the body of list, which is at path.
func (p bodyPrinter) print(list []statement, path string) body {
	var out body
	groups := map[string][]int{} // indices of blocks by name
	var names []string
	for i, s := range list {
		if s.Type == "attr" {
			a := p.attribute(s, path+separatorPath+strconv.Itoa(i))
			if n := p.whole[s.Name]; n > 0 {
				a.Text, a.Summary = strings.TrimSuffix(a.Text, " …")+" …", plural(n, "item")
				a.Download = p.download(path + separatorPath + strconv.Itoa(i))
			}
			out.Attributes = append(out.Attributes, a)
			continue
		}
		if groups[s.Name] == nil {
			names = append(names, s.Name)
		}
		groups[s.Name] = append(groups[s.Name], i)
	}
	for _, name := range names {
		p.group(&out, list, groups[name], path)
	}
	return out
}

// group adds the blocks at indices, which have one name, to out.
func (p bodyPrinter) group(out *body, list []statement, indices []int, path string) {
	shown := indices[:min(len(indices), shownBlocks)]
	left := max(len(indices), p.whole[list[indices[0]].Name]) - len(shown)
	nested := slices.ContainsFunc(shown, func(i int) bool {
		return slices.ContainsFunc(list[i].Body, func(s statement) bool { return s.Type == "block" })
	})
	if len(indices) > 1 && !nested {
		t := p.table(list, shown, path)
		t.Left = left
		out.Tables = append(out.Tables, t)
		return
	}
	within := bodyPrinter{download: p.download}
	for n, i := range shown {
		name := list[i].Name
		if list[i].Label != "" {
			name += " " + strconv.Quote(list[i].Label)
		}
		if len(indices) > 1 {
			name = fmt.Sprintf("%s %d of %d", name, n+1, len(shown)+left)
		}
		out.Blocks = append(out.Blocks, block{name, within.print(list[i].Body, path+separatorPath+strconv.Itoa(i))})
	}
}

// table returns the blocks at indices as rows.
func (p bodyPrinter) table(list []statement, indices []int, path string) blockTable {
	t := blockTable{Name: list[indices[0]].Name}
	for _, i := range indices {
		for _, s := range list[i].Body {
			if !slices.Contains(t.Columns, s.Name) {
				t.Columns = append(t.Columns, s.Name)
			}
		}
	}
	for _, i := range indices {
		row := make([]attribute, len(t.Columns))
		for j, s := range list[i].Body {
			at := strings.Join([]string{path, strconv.Itoa(i), strconv.Itoa(j)}, separatorPath)
			row[slices.Index(t.Columns, s.Name)] = p.cell(s, at)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// attribute returns s, which is at path, with its value on lines of its own.
func (p bodyPrinter) attribute(s statement, path string) attribute {
	return p.cut(s, s.Value.Text(shownBytes), path)
}

// cell returns s, which is at path, with its value on one line.
func (p bodyPrinter) cell(s statement, path string) attribute {
	return p.cut(s, s.Value.Line(shownBytes), path)
}

// cut returns s with as much of its text as pages show.
func (p bodyPrinter) cut(s statement, text, path string) attribute {
	a := attribute{Name: s.Name, Text: text}
	if len(text) > shownBytes {
		a.Text = strings.ToValidUTF8(text[:shownBytes], "") + " …"
		a.Download = p.download(path)
	}
	if len(a.Text) > foldedBytes {
		a.Summary = s.Value.Summary()
	}
	return a
}

// find returns the value at path, which print has given to download.
func find(list []statement, path []string) (literal.Value, bool) {
	if len(path) == 0 {
		return literal.Value{}, false
	}
	i, err := strconv.Atoi(path[0])
	switch {
	case err != nil || i < 0 || i >= len(list):
		return literal.Value{}, false
	case list[i].Type == "attr":
		return list[i].Value, len(path) == 1
	}
	return find(list[i].Body, path[1:])
}
