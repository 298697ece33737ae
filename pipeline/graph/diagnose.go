package graph

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/token"
)

// problems collects diagnostics.
type problems struct{ list diag.Diagnostics }

// at reports a mistake in the text from start to end.
func (p *problems) at(start, end token.Pos, format string, args ...any) {
	p.list.Add(diag.Diagnostic{
		Severity: diag.SeverityLevelError,
		StartPos: position(start),
		EndPos:   position(end),
		Message:  fmt.Sprintf(format, args...),
	})
}

// node reports a mistake in all of n.
func (p *problems) node(n ast.Node, format string, args ...any) {
	p.at(ast.StartPos(n), ast.EndPos(n), format, args...)
}

// header reports a mistake in the name and label of a block.
func (p *problems) header(b *ast.BlockStmt, format string, args ...any) {
	p.at(b.NamePos, headerEnd(b), format, args...)
}

// At returns a diagnostic about the name and label of block b.
func At(b *ast.BlockStmt, format string, args ...any) diag.Diagnostics {
	var p problems
	p.header(b, format, args...)
	return p.list
}

// position is pos.Position, also for a position that is not known.
func position(pos token.Pos) token.Position {
	if !pos.Valid() {
		return token.Position{}
	}
	return pos.Position()
}

// headerEnd is the position of the last character of a block's name and label.
func headerEnd(b *ast.BlockStmt) token.Pos {
	if b.Label != "" && b.LabelPos.Valid() {
		return b.LabelPos.Add(len(b.Label) + 1)
	}
	return b.NamePos.Add(len(b.GetBlockName()) - 1)
}

// clarify turns an error of the language library about the text from start to
// end into diagnostics with a position and a remedy.
func clarify(err error, start, end token.Pos) diag.Diagnostics {
	var ds diag.Diagnostics
	if !errors.As(err, &ds) {
		var p problems
		p.at(start, end, "%s", remedy(err.Error()))
		return p.list
	}
	var out diag.Diagnostics
	for _, d := range ds {
		if strings.HasSuffix(d.Message, ", got ILLEGAL") && len(ds) > 1 {
			continue // the character is reported by itself
		}
		if !d.StartPos.Valid() {
			d.StartPos, d.EndPos = position(start), position(end)
		}
		d.Message, d.Value = remedy(strings.TrimSpace(d.Message)), ""
		out = append(out, d)
	}
	return out
}

// remedies says what is wrong and what to do, where a message of the library
// has a text of its own or of package time in it. What stands before the text
// is kept; %s is what stands after it.
var remedies = []struct{ text, message string }{
	{"expected block label to be a valid identifier, but got ",
		"label %s is not a name; use letters, digits and underscores, and begin with no digit"},
	{"illegal character U+0023 '#'", "# begins no comment here; write // or /* … */"},
	{"illegal character U+003A ':'", "a colon means nothing here; write name = value"},
	{"expected block label, got IDENT", `a label stands in double quotes; write for example prometheus.scrape "default" { … }`},
	{"expected TERMINATOR, got ", "a new line is due before this"},
	{"missing ',' in expression list", "a comma is missing after the last item; write one, or close the list on the same line"},
	{"missing ',' in field list", "a comma is missing after the last field; write one, or close the object on the same line"},
	{"time: missing unit in duration", `is a duration without a unit; write for example "15s" or "1m"`},
	{"time: unknown unit", `is a duration with an unknown unit; the units are ns, us, ms, s, m and h`},
	{"time: invalid duration", `is not a duration; write for example "15s" or "1h30m"`},
	{"secrets may not be converted into strings",
		"is a secret, and a plain string is due here; if it may be shown, write convert.nonsensitive(…)"},
}

// remedy returns message in our words where they say more.
func remedy(message string) string {
	for _, r := range remedies {
		if before, after, found := strings.Cut(message, r.text); found {
			return before + strings.Replace(r.message, "%s", after, 1)
		}
	}
	return unquoted(message)
}

// unquoted returns message without the literal that the library puts in front
// of it, if what follows quotes that as well.
func unquoted(message string) string {
	if !strings.HasPrefix(message, `"`) {
		return message
	}
	literal, err := strconv.QuotedPrefix(message)
	if err != nil {
		return message
	}
	rest := strings.TrimSpace(message[len(literal):])
	if strings.Contains(rest, literal) {
		return rest
	}
	return message
}

// due says, in a message about a capsule, what may stand where a value of type
// t is due, since "capsule" is a word of the library.
func due(message string, t reflect.Type) string {
	for t = element(t); t.Kind() == reflect.Slice || t.Kind() == reflect.Map; {
		t = element(t.Elem())
	}
	what := "an export of another component"
	switch t {
	case reflect.TypeFor[alloytypes.Secret](), reflect.TypeFor[alloytypes.OptionalSecret]():
		what = "a string or a secret"
	}
	switch strings.ToLower(t.Name()) {
	case "receiver":
		if single, found := strings.CutSuffix(message, " should be array, got capsule"); found {
			return single + " should be in a list; write [" + single + "]"
		}
		what = "a receiver, such as prometheus.remote_write.default.receiver"
		if strings.HasSuffix(t.PkgPath(), "/pyroscope") {
			what = "a receiver of profiles, such as pyroscope.write.default.receiver"
		}
	case "target":
		what = `a target, such as {"__address__" = "localhost:9090"}`
	}
	message = strings.Replace(message, "should be capsule", "should be "+what, 1)
	if before, after, found := strings.Cut(message, "expected capsule("); found {
		_, got, _ := strings.Cut(after, "), got ")
		got = strings.TrimSuffix(strings.TrimPrefix(got, `capsule("`), `")`)
		got = got[strings.LastIndexByte(got, '.')+1:]
		if got == t.Name() {
			got = "one of other data"
		}
		message = before + "should be " + what + ", got " + got
	}
	return message
}
