package ui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/alloy/syntax/encoding/alloyjson"

	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// A statement is an attribute or a block, as the encoder of the configuration
// language has it. Values of secret types are hidden there.
type statement struct {
	Name  string      `json:"name"`
	Type  string      `json:"type"` // attr or block
	Label string      `json:"label"`
	Value value       `json:"value"` // of an attribute
	Body  []statement `json:"body"`  // of a block
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
}

// print returns the body of list, which is at path.
func (p bodyPrinter) print(list []statement, path string) body {
	var out body
	groups := map[string][]int{} // indices of blocks by name
	var names []string
	for i, s := range list {
		if s.Type == "attr" {
			out.Attributes = append(out.Attributes, p.attribute(s, path+separatorPath+strconv.Itoa(i)))
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
	left := len(indices) - len(shown)
	nested := slices.ContainsFunc(shown, func(i int) bool {
		return slices.ContainsFunc(list[i].Body, func(s statement) bool { return s.Type == "block" })
	})
	if len(indices) > 1 && !nested {
		t := p.table(list, shown, path)
		t.Left = left
		out.Tables = append(out.Tables, t)
		return
	}
	for n, i := range shown {
		name := list[i].Name
		if list[i].Label != "" {
			name += " " + strconv.Quote(list[i].Label)
		}
		if len(indices) > 1 {
			name = fmt.Sprintf("%s %d of %d", name, n+1, len(indices))
		}
		out.Blocks = append(out.Blocks, block{name, p.print(list[i].Body, path+separatorPath+strconv.Itoa(i))})
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
			row[slices.Index(t.Columns, s.Name)] = p.attribute(s, at)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// attribute returns s, which is at path.
func (p bodyPrinter) attribute(s statement, path string) attribute {
	a := attribute{Name: s.Name, Text: s.Value.text(shownBytes)}
	if len(a.Text) > shownBytes {
		a.Text = strings.ToValidUTF8(a.Text[:shownBytes], "") + " …"
		a.Download = p.download(path)
	}
	if len(a.Text) > foldedBytes {
		a.Summary = s.Value.summary()
	}
	return a
}

// find returns the value at path, which print has given to download.
func find(list []statement, path []string) (value, bool) {
	if len(path) == 0 {
		return value{}, false
	}
	i, err := strconv.Atoi(path[0])
	switch {
	case err != nil || i < 0 || i >= len(list):
		return value{}, false
	case list[i].Type == "attr":
		return list[i].Value, len(path) == 1
	}
	return find(list[i].Body, path[1:])
}

// A value is one of the configuration language.
type value struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// A member is a name of an object with its value.
type member struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

// text returns the value as in a configuration, but a string without quotes. It
// ends soon after most bytes; 0 means that there is no limit.
func (v value) text(most int) string {
	if v.Type == "string" || v.Type == "capsule" || v.Type == "function" {
		if s := v.plain(); s != "" {
			return s
		}
	}
	var b strings.Builder
	v.write(&b, "", most)
	return b.String()
}

// plain returns the text of a value that is a JSON string.
func (v value) plain() string {
	var s string
	if json.Unmarshal(v.Value, &s) != nil {
		return string(v.Value)
	}
	return s
}

// write appends the value to b; lines after the first begin with indent.
func (v value) write(b *strings.Builder, indent string, most int) {
	if most > 0 && b.Len() > most {
		return
	}
	switch v.Type {
	case "array":
		var items []value
		_ = json.Unmarshal(v.Value, &items) // what it is not stays empty
		writeList(b, "[]", indent, len(items), func(i int, b *strings.Builder, indent string) {
			items[i].write(b, indent, most)
		})
	case "object":
		var members []member
		_ = json.Unmarshal(v.Value, &members)
		writeList(b, "{}", indent, len(members), func(i int, b *strings.Builder, indent string) {
			b.WriteString(keyText(members[i].Key) + " = ")
			members[i].Value.write(b, indent, most)
		})
	case "string":
		b.WriteString(strconv.Quote(v.plain()))
	default:
		b.WriteString(v.plain())
	}
}

// writeList appends n items between the brackets: on one line if there is one
// that is short, and on lines of their own otherwise.
func writeList(b *strings.Builder, brackets, indent string, n int, item func(int, *strings.Builder, string)) {
	open, end := brackets[:1], brackets[1:]
	if n == 0 {
		b.WriteString(brackets)
		return
	}
	if n == 1 {
		var one strings.Builder
		item(0, &one, indent)
		if text := one.String(); len(text) < 60 && !strings.Contains(text, "\n") {
			b.WriteString(open + text + end)
			return
		}
	}
	b.WriteString(open)
	for i := range n {
		b.WriteString("\n" + indent + "  ")
		before := b.Len()
		item(i, b, indent+"  ")
		if b.Len() == before {
			return // over the limit
		}
		b.WriteString(",")
	}
	b.WriteString("\n" + indent + end)
}

// keyText returns the key of an object: quoted where it is no identifier.
func keyText(key string) string {
	for i, r := range key {
		letter := r == '_' || 'a' <= r|0x20 && r|0x20 <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return strconv.Quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

// summary returns what a folded value is.
func (v value) summary() string {
	var items []json.RawMessage
	if (v.Type == "array" || v.Type == "object") && json.Unmarshal(v.Value, &items) == nil {
		noun := map[string]string{"array": "item", "object": "member"}[v.Type]
		return plural(len(items), noun)
	}
	return human.Bytes(int64(len(v.plain()))) + " of text"
}
