package pipeline

import (
	"strings"
	"time"

	"github.com/divvy-collector/divvy/pipeline/graph"
)

// A tree is one loaded configuration: every node of every module, with its
// value. Its structure is immutable: a load makes another tree, into which the
// instances that live on are carried over.
//
// Invariant: a node's order is greater than that of every node it reads, so
// that evaluating what is dirty by order evaluates each node once.
type tree struct {
	made       time.Time
	nodes      []*node           // in the order of evaluation
	ids        map[string]*node  // by full ID
	dependants map[*node][]*node // reads, the other way round
}

// A node is a block with its value. Of a declare block that is instantiated
// twice, each block is two nodes with one *graph.Node.
//
// What is said to belong to Pipeline.mu is written by the holder of both locks,
// and read by a holder of either.
type node struct {
	*graph.Node
	id    string // unique in the tree: <module>/<local ID>
	order int    // index in tree.nodes
	frame *frame
	reads []*node   // whose values its expressions use, through modules
	inst  *instance // of a Component or an Import, built or not; nil for others
	under []*frame  // modules that it instantiates: Custom, Foreach, Import

	// What follows belongs to Pipeline.mu.
	pending string // ID of the node that it waits for; "" if it does not wait
	value   any    // Custom: arguments by name; Argument, Export, Config, Foreach: the value
	health  string // what was wrong at the last evaluation; "" if nothing was
}

// A frame is a module that has been instantiated: the nodes of one body.
//
// What an expression in it may name, apart from the nodes of the frame itself,
// is in frames further out. Those follow where the text is written, not where
// it is instantiated: a declare block sees the import blocks around it, and
// knows nothing of who calls it but the arguments.
type frame struct {
	plan  *graph.Module
	id    string // full ID of the component that made it; "" for the root
	path  string // module_path
	vars  map[string]any
	outer *frame // instance of the module in which this one is written
	call  *node  // what instantiated it; nil for the root
	nodes map[*graph.Node]*node
}

func newTree() *tree {
	return &tree{made: time.Now(), ids: map[string]*node{}, dependants: map[*node][]*node{}}
}

// byID returns the node with the given full ID, or nil.
func (t *tree) byID(id string) *node {
	if t == nil {
		return nil
	}
	return t.ids[id]
}

// add adds n as the last one evaluated so far.
func (t *tree) add(n *node) {
	n.order = len(t.nodes)
	t.nodes = append(t.nodes, n)
	t.ids[n.id] = n
	for _, r := range n.reads {
		t.dependants[r] = append(t.dependants[r], n)
	}
}

// join returns the full ID of what is called local in the module id.
func join(id, local string) string {
	if id == "" {
		return local
	}
	return id + "/" + local
}

// find returns the instance of plan node n that f sees: its own, or that of an
// enclosing module.
func (f *frame) find(n *graph.Node) *node {
	for ; f != nil; f = f.outer {
		if live := f.nodes[n]; live != nil {
			return live
		}
	}
	return nil
}

// of returns the instance of plan that f sees, or nil.
func (f *frame) of(plan *graph.Module) *frame {
	for ; f != nil; f = f.outer {
		if f.plan == plan {
			return f
		}
	}
	return nil
}

// variables returns the variables that f sees, those of foreach among them.
func (f *frame) variables() graph.Vars {
	vars := graph.Vars{"module_path": f.path}
	for ; f != nil; f = f.outer {
		for name, v := range f.vars {
			if _, shadowed := vars[name]; !shadowed {
				vars[name] = v
			}
		}
	}
	return vars
}

// put sets the variable with a dotted name.
func put(vars graph.Vars, name string, value any) {
	parts := strings.Split(name, ".")
	at := map[string]any(vars)
	for _, part := range parts[:len(parts)-1] {
		next, ok := at[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[part] = next
		}
		at = next
	}
	at[parts[len(parts)-1]] = value
}

// exportNodes returns the export blocks of a Custom, by name; nil while it
// waits for its module.
func (n *node) exportNodes() map[string]*node {
	if n.Role != graph.Custom || len(n.under) == 0 {
		return nil
	}
	out := map[string]*node{}
	for plan, live := range n.under[0].nodes {
		if plan.Role == graph.Export {
			out[plan.Label] = live
		}
	}
	return out
}
