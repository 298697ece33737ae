// Package component says what a component is and what the collector lends it.
//
// A Kind describes one sort of component, such as prometheus.scrape: its name,
// its arguments, its exports and how to build one. components.All lists every
// Kind. The pipeline evaluates a block of configuration to the Kind's
// arguments, builds an instance, runs it, updates it when its arguments
// change, and stops it.
//
// The life of an instance:
//
//	build(Env, args) ─► Run(ctx) … Update(args) … ctx is cancelled ─► Run returns
//
// Invariant: build and Update do not block on the network and start no
// goroutine; Run starts them and has joined them when it returns.
// Invariant: Update is never called at the same time as another Update, but it
// may be called before and while Run runs. An Update that returns an error has
// changed nothing.
package component

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// An Instance is a running component with arguments of type A.
type Instance[A any] interface {
	// Run does the work until ctx is cancelled, then finishes what is in
	// flight and returns nil. An error before that makes the component
	// unhealthy ("exited").
	Run(ctx context.Context) error

	// Update replaces the arguments.
	Update(args A) error
}

// Optional powers of an Instance.
type (
	// A Healther knows more about its health than that it runs.
	Healther interface{ Health() Health }

	// A Debugger shows its inner state on the component page. The value is a
	// struct with alloy tags, as arguments have; secrets are of a secret type.
	Debugger interface{ DebugInfo() any }

	// A Server answers under /api/v0/component/<ID>/. The prefix is stripped.
	Server interface{ Handler() http.Handler }

	// A Primer needs something before it can do its share of a cluster's work:
	// its first targets, or an open log. A node takes no part before Primed has
	// returned true; what it returns after that does not matter.
	Primer interface{ Primed() bool }

	// An Addressee gets the notes that the instance of the same ID on another
	// node sent by Env.Tell. Told returns at once; from is that node's name. The
	// note may be from another version of the program.
	Addressee interface {
		Told(from string, note []byte)
	}
)

// Env is what the collector lends an instance. Each field is a plain value:
// there is nothing to look up by name and nothing to assert.
type Env struct {
	ID       string // e.g. prometheus.scrape.default; unique in the process
	Log      *slog.Logger
	Dir      string                // private to the instance; made on first use
	Registry prometheus.Registerer // adds component_id and component_path; emptied when the instance ends

	// Export replaces the instance's exports and re-evaluates what refers to
	// them. It may be called from build on, by any goroutine, and returns at once.
	Export func(exports any)

	Self  string                 // this node's name in View
	View  *cell.Cell[owner.View] // who is in the cluster
	Lease *schedule.Lease        // how long View may be acted upon; nil: always

	// Tell sends a note to the instance of the same ID on another node: see
	// Addressee. It returns at once; the note may be lost. Without a cluster it
	// does nothing.
	Tell func(node string, note []byte)

	// Reaches reports whether notes to that node may arrive. Nil: none may.
	Reaches func(node string) bool

	// Dial connects like net.Dialer.DialContext, and to the collector itself
	// for MemoryAddr.
	Dial       func(ctx context.Context, network, addr string) (net.Conn, error)
	MemoryAddr string // in-memory host:port of our HTTP server: divvy.internal:12345
	HTTPPath   string // where Server answers: /api/v0/component/<ID>/

	// Live is told what passes through the instance, for people who watch, and
	// Flow how much of it: see Kind.Shows. Both may be nil, which is no reason
	// not to use them.
	Live *live.Feed
	Flow *live.Flow

	Gatherer prometheus.Gatherer // the collector's own metrics
	Drain    time.Duration       // how long Run may deliver what is left after ctx is cancelled
}

// Health is the state of an instance.
type Health struct {
	State   HealthState
	Message string
	Since   time.Time // when the state was reported
}

// HealthState is one of the four states that a component can be in.
type HealthState uint8

// States of a component.
const (
	Unknown   HealthState = iota // not evaluated yet
	Healthy                      // built and running
	Unhealthy                    // does not do its work; Message says why
	Exited                       // Run has returned
)

// String returns the state as the HTTP API spells it.
func (s HealthState) String() string {
	return [...]string{"unknown", "healthy", "unhealthy", "exited"}[s]
}

// Stability is how settled a kind is. --stability.level admits those at or
// above a level.
type Stability uint8

// Levels of stability, the least settled first.
const (
	Experimental Stability = iota
	PublicPreview
	GenerallyAvailable
)

// String returns the level as the command line spells it.
func (s Stability) String() string {
	return [...]string{"experimental", "public-preview", "generally-available"}[s]
}

// A Kind is one sort of component.
type Kind struct {
	Name      string
	Stability Stability
	Arguments reflect.Type // struct with alloy tags
	Exports   reflect.Type // struct with alloy tags; nil if there are none
	Data      string       // what instances say in Env.Live: one of the constants of package live; "": nothing

	build  func(env Env, args any) (any, error)
	update func(instance, args any) error
}

// None is the type of a Kind's exports when it has none.
type None struct{}

// Of describes the kind name with arguments A and exports X, built by build.
// A is decoded from its block; *A may be a syntax.Defaulter and Validator.
func Of[A, X any](name string, build func(Env, A) (Instance[A], error)) Kind {
	k := Kind{
		Name:      name,
		Stability: GenerallyAvailable,
		Arguments: reflect.TypeFor[A](),
		Exports:   reflect.TypeFor[X](),
		build:     func(env Env, args any) (any, error) { return build(env, args.(A)) },
		update:    func(instance, args any) error { return instance.(Instance[A]).Update(args.(A)) },
	}
	if k.Exports == reflect.TypeFor[None]() {
		k.Exports = nil
	}
	return k
}

// At returns k at another level of stability.
func (k Kind) At(s Stability) Kind {
	k.Stability = s
	return k
}

// Shows returns k whose instances say in Env.Live which data pass through them,
// and count them in Env.Flow.
func (k Kind) Shows(data string) Kind {
	k.Data = data
	return k
}

// Translate returns k under another name, with each of its exports replaced by
// what f makes of it.
func (k Kind) Translate(name string, f func(exports any) any) Kind {
	build := k.build
	k.Name = name
	k.build = func(env Env, args any) (any, error) {
		export := env.Export
		env.Export = func(exports any) { export(f(exports)) }
		return build(env, args)
	}
	return k
}

// A Running is an instance without its type.
type Running struct {
	kind     Kind
	instance any
}

// Build makes an instance; args is a value of type k.Arguments.
func (k Kind) Build(env Env, args any) (Running, error) {
	instance, err := k.build(env, args)
	if err != nil {
		return Running{}, err
	}
	return Running{kind: k, instance: instance}, nil
}

// Run runs the instance: see Instance.
func (r Running) Run(ctx context.Context) error {
	runner, ok := r.instance.(interface{ Run(context.Context) error })
	if !ok {
		panic(fmt.Sprintf("BUG: %s does not run", r.kind.Name))
	}
	return runner.Run(ctx)
}

// Update replaces the arguments: see Instance.
func (r Running) Update(args any) error { return r.kind.update(r.instance, args) }

// Health returns what the instance says of itself, or false if it says nothing.
func (r Running) Health() (Health, bool) {
	if h, ok := r.instance.(Healther); ok {
		return h.Health(), true
	}
	return Health{}, false
}

// Primed reports whether the instance can do its share: see Primer.
func (r Running) Primed() bool {
	p, ok := r.instance.(Primer)
	return !ok || p.Primed()
}

// Told hands a note from another node to the instance, if it wants any: see
// Addressee.
func (r Running) Told(from string, note []byte) {
	if a, ok := r.instance.(Addressee); ok {
		a.Told(from, note)
	}
}

// DebugInfo returns the inner state of the instance, or nil.
func (r Running) DebugInfo() any {
	if d, ok := r.instance.(Debugger); ok {
		return d.DebugInfo()
	}
	return nil
}

// Handler returns what the instance serves, or nil.
func (r Running) Handler() http.Handler {
	if s, ok := r.instance.(Server); ok {
		return s.Handler()
	}
	return nil
}
