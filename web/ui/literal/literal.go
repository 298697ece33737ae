// Package literal prints values of the configuration language as people would
// write them: numbers, strings, lists and objects, from the JSON that the
// language's encoder makes of them.
//
//	Text     on several lines where that reads better
//	Line     on one
//	Summary  what a value is that is too long for either
//
// Invariant: what the encoder hides stays hidden; a secret is printed as it has
// written it.
package literal

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/divvy-collector/divvy/web/ui/human"
)

// A Value is one of the configuration language, as its encoder has it.
type Value struct {
	Type string          `json:"type"` // null, number, string, bool, array, object, function or capsule
	JSON json.RawMessage `json:"value"`
}

// A member is a name of an object with its value.
type member struct {
	Key   string `json:"key"`
	Value Value  `json:"value"`
}

// Text returns the value on as many lines as it reads best on. A string alone is
// without quotes, unless it is empty. The text ends soon after most bytes; 0 means
// that there is no limit.
func (v Value) Text(most int) string { return v.print(printer{most: most}) }

// Line returns the value as Text does, on one line.
func (v Value) Line(most int) string { return v.print(printer{most: most, flat: true}) }

// Summary returns how many items a list or an object has, or how long another
// value is.
func (v Value) Summary() string {
	var items []json.RawMessage
	if (v.Type == "array" || v.Type == "object") && json.Unmarshal(v.JSON, &items) == nil {
		noun := map[string]string{"array": "item", "object": "member"}[v.Type]
		if len(items) != 1 {
			noun += "s"
		}
		return human.Count(int64(len(items))) + " " + noun
	}
	return human.Bytes(int64(len(v.plain()))) + " of text"
}

// plain returns the text of a value that is a JSON string, and the JSON of others.
func (v Value) plain() string {
	var s string
	if json.Unmarshal(v.JSON, &s) != nil {
		return string(v.JSON)
	}
	return s
}

// print returns what p makes of v.
func (v Value) print(p printer) string {
	if v.Type == "string" {
		if s := v.plain(); s != "" {
			return s
		}
	}
	p.value(v, "")
	return p.out.String()
}

// A printer writes values into out.
type printer struct {
	out  strings.Builder
	most int  // bytes after which nothing more is begun; 0: no limit
	flat bool // on one line
}

// full reports whether the limit is reached.
func (p *printer) full() bool { return p.most > 0 && p.out.Len() > p.most }

// value writes v; lines after the first begin with indent.
func (p *printer) value(v Value, indent string) {
	switch v.Type {
	case "array":
		var items []Value
		_ = json.Unmarshal(v.JSON, &items) // what is no list has no items
		p.list("[]", indent, len(items), func(i int, indent string) { p.value(items[i], indent) })
	case "object":
		var members []member
		_ = json.Unmarshal(v.JSON, &members)
		p.list("{}", indent, len(members), func(i int, indent string) {
			p.out.WriteString(key(members[i].Key) + " = ")
			p.value(members[i].Value, indent)
		})
	case "null":
		p.out.WriteString("null")
	case "string":
		p.out.WriteString(strconv.Quote(v.plain()))
	default:
		p.out.WriteString(v.plain())
	}
}

// list writes n items between brackets: each on a line of its own, or all on one
// where that is asked for or there is but one.
func (p *printer) list(brackets, indent string, n int, item func(i int, indent string)) {
	p.out.WriteString(brackets[:1])
	lines := !p.flat && n > 1
	for i := 0; i < n && !p.full(); i++ {
		switch {
		case lines:
			p.out.WriteString("\n" + indent + "  ")
			item(i, indent+"  ")
			p.out.WriteString(",")
		case i > 0:
			p.out.WriteString(", ")
			item(i, indent)
		default:
			item(i, indent)
		}
	}
	if lines {
		p.out.WriteString("\n" + indent)
	}
	p.out.WriteString(brackets[1:])
}

// key returns the name of a member: quoted where it is no identifier.
func key(name string) string {
	for i, r := range name {
		letter := r == '_' || 'a' <= r|0x20 && r|0x20 <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}
