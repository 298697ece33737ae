package web

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/token"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// redacted stands for text that was taken out.
const redacted = "(redacted)"

// A redaction takes secrets out of text that leaves the process. It knows which
// arguments are secret by the types of the components that take them; where it
// does not know the type it takes out every string.
//
// What it cannot know: a secret that is written where no secret is due, as the
// label of a target, say. URLs with a password are the exception: those lose it
// anywhere.
type redaction struct {
	types map[string]reflect.Type // arguments of components and blocks, by name
}

// HidePasswords returns text with "(redacted)" for each password of a URL, as in
// http://name:password@host/, and for its parameters that are secret by name, as
// in http://host/?token=….
func HidePasswords(text []byte) []byte { return []byte(status.HidePasswords(string(text))) }

// source returns a configuration file without its secrets. A file that does not
// parse says nothing about which of its text is secret, so nothing is left of it.
func (r redaction) source(name string, text []byte) []byte {
	spans, ok := r.secrets(name, text)
	if !ok {
		return []byte("// left out: the file does not parse, so its secrets cannot be told from the rest\n")
	}
	return HidePasswords(cut(text, spans))
}

// Veil returns configuration files in which every secret is written as stars,
// for messages that quote their lines: each character stays where it is. Files
// that do not parse are left out. types are as in BundleConfig.
func Veil(types map[string]reflect.Type, sources map[string][]byte) map[string][]byte {
	veiled := map[string][]byte{}
	for name, text := range sources {
		spans, ok := redaction{types}.secrets(name, text)
		if !ok {
			continue
		}
		for _, at := range status.FindPasswords(text) {
			spans = append(spans, span{at[0], at[1]})
		}
		text = bytes.Clone(text)
		for _, s := range spans {
			for i := s.from + 1; i < s.to-1; i++ {
				if text[i] != '\n' {
					text[i] = '*'
				}
			}
		}
		veiled[name] = text
	}
	return veiled
}

// secrets returns where the secrets of a configuration file are, each with the
// quotes around it; false if the file does not parse.
func (r redaction) secrets(name string, text []byte) (spans []span, ok bool) {
	file, err := parser.ParseFile(name, text)
	if err != nil {
		return nil, false
	}
	r.topLevel(file.Body, &spans)
	for _, group := range file.Comments {
		for _, c := range group {
			start := c.StartPos.Offset()
			spans = append(spans, quotedIn(text, start, min(start+len(c.Text), len(text)))...)
		}
	}
	return spans, true
}

// A span is a range of bytes to take out.
type span struct{ from, to int }

// cut returns text with every span replaced. Spans may touch and repeat each
// other; one that begins inside another is part of it.
func cut(text []byte, spans []span) []byte {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, s := range spans {
		if s.from < at {
			continue
		}
		out = append(out, text[at:s.from]...)
		out = append(out, `"`+redacted+`"`...)
		at = s.to
	}
	return append(out, text[at:]...)
}

// quotedIn returns the quoted strings of text[from:to], a comment: often it is
// configuration that somebody has turned off. A quote that is not closed runs to
// the end, so an apostrophe costs nothing but a double quote costs the rest.
func quotedIn(text []byte, from, to int) []span {
	var spans []span
	for from < to {
		open := bytes.IndexAny(text[from:to], "\"`")
		if open < 0 {
			break
		}
		open += from
		end := bytes.IndexByte(text[open+1:to], text[open])
		if end < 0 {
			return append(spans, span{open, to})
		}
		from = open + 1 + end + 1
		spans = append(spans, span{open, from})
	}
	return spans
}

// topLevel masks a body that holds components: a file, or the inside of declare
// and foreach blocks.
func (r redaction) topLevel(body ast.Body, spans *[]span) {
	for _, stmt := range body {
		block, ok := stmt.(*ast.BlockStmt)
		if !ok {
			maskStrings(stmt, spans)
			continue
		}
		name := block.GetBlockName()
		switch {
		case name == "declare", name == "foreach", name == "template":
			r.topLevel(block.Body, spans)
		default:
			maskBody(block.Body, r.types[name], spans)
		}
	}
}

// maskBody masks the body of a block with arguments of type t; nil is unknown,
// and so is everything inside it.
func maskBody(body ast.Body, t reflect.Type, spans *[]span) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *ast.AttributeStmt:
			field := fieldNamed(t, stmt.Name.Name)
			if field == nil || holdsSecret(field, nil) || status.SecretName(stmt.Name.Name) {
				maskStrings(stmt.Value, spans)
			} else {
				ast.Walk(fieldMasker{spans}, stmt.Value)
			}
		case *ast.BlockStmt:
			maskBody(stmt.Body, fieldNamed(t, stmt.GetBlockName()), spans)
		}
	}
}

// maskStrings masks every string literal below node, but not the name of an
// environment variable, which tells more than it gives away.
func maskStrings(node ast.Node, spans *[]span) {
	ast.Walk(stringMasker{spans}, node)
}

// A stringMasker collects string literals as it walks.
type stringMasker struct{ spans *[]span }

// Visit takes one node of the walk.
func (m stringMasker) Visit(node ast.Node) ast.Visitor {
	switch node := node.(type) {
	case *ast.LiteralExpr:
		if node.Kind == token.STRING {
			from := node.ValuePos.Offset()
			*m.spans = append(*m.spans, span{from, from + len(node.Value)})
		}
	case *ast.CallExpr:
		if readsEnvironment(node) {
			return nil
		}
	}
	return m
}

// A fieldMasker masks the fields of objects whose names say that they are secret,
// such as the header Authorization, where the type says nothing.
type fieldMasker struct{ spans *[]span }

// Visit takes one node of the walk.
func (m fieldMasker) Visit(node ast.Node) ast.Visitor {
	if object, ok := node.(*ast.ObjectExpr); ok {
		for _, f := range object.Fields {
			if status.SecretName(f.Name.Name) {
				maskStrings(f.Value, m.spans)
			}
		}
	}
	return m
}

// hideNamed is fieldMasker for values that are encoded already: it returns text,
// a body as the API shows it, without the strings of arguments and fields that
// are secret by name.
func hideNamed(text json.RawMessage) (json.RawMessage, error) {
	if len(text) == 0 {
		return text, nil
	}
	var body any
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	hideStrings(body, false)
	return json.Marshal(body)
}

// hideStrings hides strings in v: all of them, or those below a secret name.
func hideStrings(v any, all bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			hideStrings(item, all)
		}
	case map[string]any:
		for _, tag := range []string{"name", "key"} {
			name, _ := v[tag].(string)
			all = all || status.SecretName(name)
		}
		if all && v["type"] == "string" {
			v["value"] = redacted
		}
		hideStrings(v["value"], all)
		hideStrings(v["body"], all)
	}
}

// readsEnvironment reports whether call is sys.env or its older name.
func readsEnvironment(call *ast.CallExpr) bool {
	switch f := call.Value.(type) {
	case *ast.IdentifierExpr:
		return f.Ident.Name == "env"
	case *ast.AccessExpr:
		sys, ok := f.Value.(*ast.IdentifierExpr)
		return ok && sys.Ident.Name == "sys" && f.Name.Name == "env"
	}
	return false
}

// fieldNamed returns the type of the argument or block called name in the struct
// t, without pointers and lists, or nil if there is none.
func fieldNamed(t reflect.Type, name string) reflect.Type {
	t = bare(t)
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("alloy"), ",")
		rest, nested := strings.CutPrefix(name, tag+".")
		switch {
		case tag == name && tag != "":
			return f.Type
		case strings.Contains(options, "squash"):
			if found := fieldNamed(f.Type, name); found != nil {
				return found
			}
		case nested && strings.Contains(options, "enum"):
			return fieldNamed(f.Type, rest)
		}
	}
	return nil
}

// bare returns t without pointers and lists around it.
func bare(t reflect.Type) reflect.Type {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		t = t.Elem()
	}
	return t
}

// holdsSecret reports whether a value of type t has a place for a secret. Types
// in seen are being looked at already.
func holdsSecret(t reflect.Type, seen []reflect.Type) bool {
	t = bare(t)
	switch {
	case t == nil || slices.Contains(seen, t):
		return false
	case t == reflect.TypeFor[alloytypes.Secret](), t == reflect.TypeFor[alloytypes.OptionalSecret](),
		t.Kind() == reflect.Interface:
		return true
	case t.Kind() == reflect.Map:
		return holdsSecret(t.Elem(), append(seen, t))
	case t.Kind() != reflect.Struct:
		return false
	}
	for f := range t.Fields() {
		if f.Tag.Get("alloy") != "" && holdsSecret(f.Type, append(seen, t)) {
			return true
		}
	}
	return false
}

// environment returns the variables as NAME=value lines; only the values of
// variables that are known to hold no secret are kept.
func environment(environ []string) []byte {
	harmless := []string{
		"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "AUTOMEMLIMIT", "HOSTNAME", "LANG", "TZ", "TERM", "PATH",
		"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "CONTAINER",
		"PPROF_MUTEX_PROFILING_PERCENT", "PPROF_BLOCK_PROFILING_RATE",
	}
	var out bytes.Buffer
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(kv, "=")
		if !slices.Contains(harmless, name) {
			value = redacted
		}
		out.WriteString(name + "=" + value + "\n")
	}
	return HidePasswords(out.Bytes())
}

// pairSecret matches key=value pairs, as in --cluster.discover-peers, whose key
// says that the value is secret.
var pairSecret = regexp.MustCompile(`(?i)(\b[\w-]*(?:passw|secret|token|credential|key)[\w-]*=)("[^"]*"|\S+)`)

// flags returns the runtime flags, one per line, without secrets.
func flags(lines []string) []byte {
	text := []byte(strings.Join(lines, "\n") + "\n")
	return HidePasswords(pairSecret.ReplaceAll(text, []byte("${1}"+redacted)))
}
