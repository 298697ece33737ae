package graph

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/token"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A Role is what kind of thing a Node is.
type Role uint8

// Roles of nodes.
const (
	Component Role = iota // an instance of a component.Kind
	Config                // a block that sets up the collector: logging, http
	Import                // import.file and the like: where a Library comes from
	Custom                // an instance of a declare block
	Argument              // an argument block: what a module takes
	Export                // an export block: what a module gives
	Foreach               // a template and the collection that it is repeated for
)

// A Node is one block that is evaluated. Blocks that only define a name,
// declare, are no nodes.
type Node struct {
	Role   Role
	Name   string // prometheus.scrape, argument, math.add
	Label  string // "" for blocks without one
	Block  *ast.BlockStmt
	Kind   component.Kind // of a Component, Config or Import
	Module *Module        // the module whose body has the block

	Refs  []Ref   // what the expressions refer to, each text once
	After []*Node // nodes that are evaluated before this one

	Declare  *Declare // what a Custom instantiates, unless From is set
	From     *Node    // the Import that has the declare block of a Custom
	Template *Module  // what a Foreach repeats

	// Unsound says that a mistake has been reported because of which the node
	// cannot be evaluated at all, not even to find others.
	Unsound bool
}

// ID returns the name of n within its module.
func (n *Node) ID() string {
	if n.Label == "" {
		return n.Name
	}
	return n.Name + "." + n.Label
}

// A Ref is a reference to (part of) the exports of another node:
// discovery.file.a.targets refers to discovery.file.a with the path targets.
type Ref struct {
	To   *Node
	Path []string // fields taken from the exports; empty for all of them
}

// A Module is one body of blocks, planned. Names in it are looked up in its own
// nodes; in a template also in the modules around it. The names of custom
// components and imports are looked up in all modules around it.
type Module struct {
	Nodes []*Node // each after those that it refers to

	// Outer are the nodes of enclosing modules that this one uses. Whatever
	// instantiates the module comes after them.
	Outer []*Node

	scope    scope
	parent   *Module // where the module is written; nil for the root and libraries
	byID     map[string]*Node
	declares map[string]*Declare
	imports  map[string]*Node // by label
	vars     []string         // names that expressions may use
	unknown  []string         // IDs of blocks that mean nothing, and are reported
}

// scope says which blocks a module may have.
type scope uint8

const (
	rootScope     scope = iota // a configuration: everything but argument and export
	declareScope               // inside declare: everything but blocks that set up the collector
	templateScope              // inside the template of a foreach block: components
	libraryScope               // an imported file: declare and import
)

// A Declare is a declare block: a custom component. Its body is planned once,
// also if nobody uses it, so that its mistakes are found.
type Declare struct {
	Name  string
	Block *ast.BlockStmt
	Scope *Module // where it is written
	Body  *Module // what it consists of

	planning bool
}

// Parse reads sources, by name, into one body, the files in the order of their
// names. All mistakes in all files are reported.
func Parse(names []string, sources map[string][]byte) (ast.Body, diag.Diagnostics) {
	var body ast.Body
	var ds diag.Diagnostics
	for _, name := range names {
		file, err := parseFile(name, sources[name])
		ds.Merge(err)
		if file != nil {
			body = append(body, file.Body...)
		}
	}
	return body, ds
}

// parseFile parses one file. What makes the parser panic is a diagnostic.
func parseFile(name string, source []byte) (file *ast.File, ds diag.Diagnostics) {
	defer func() {
		if r := recover(); r != nil {
			file, ds = nil, diag.Diagnostics{{Severity: diag.SeverityLevelError, Message: name + ": cannot be parsed"}}
		}
	}()
	if at := foreign(source); at >= 0 {
		line := 1 + bytes.Count(source[:at], []byte("\n"))
		column := at - bytes.LastIndexByte(source[:at], '\n')
		pos := token.Position{Filename: name, Offset: at, Line: line, Column: column}
		return nil, diag.Diagnostics{{
			Severity: diag.SeverityLevelError, StartPos: pos, EndPos: pos,
			Message: "the file is not UTF-8 text; save it as UTF-8",
		}}
	}
	file, err := parser.ParseFile(name, source)
	if err != nil {
		return nil, clarify(err, ast.StartPos(nil), ast.EndPos(nil))
	}
	return file, nil
}

// foreign returns where source stops being UTF-8 text, or -1. Nothing that a
// parser said about another encoding, or about a binary, would help anyone.
func foreign(source []byte) int {
	for at := 0; at < len(source); {
		r, size := utf8.DecodeRune(source[at:])
		if r == 0 || r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// Declare returns the declare block called name in m, or nil.
func (m *Module) Declare(name string) *Declare { return m.declares[name] }

// Node returns the node with the given ID in m, or nil.
func (m *Module) Node(id string) *Node { return m.byID[id] }

// DeclareNames returns "; did you mean" for a declare block of m that is called
// almost as name is.
func (m *Module) DeclareNames(name string) string {
	var names []string
	for n := range m.declares {
		names = append(names, n)
	}
	return didYouMean(name, names)
}

// exports returns the names of m's export blocks.
func (m *Module) exports() []string {
	var names []string
	for _, n := range m.byID {
		if n.Role == Export {
			names = append(names, n.Label)
		}
	}
	return names
}

// Split returns the import label and the name of a custom component's name:
// "math", "add" for math.add, and "", "add" for add.
func Split(name string) (label, declare string) {
	if label, declare, ok := strings.Cut(name, "."); ok {
		return label, declare
	}
	return "", name
}
