package pipeline

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/pipeline/graph"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// An instance is a component that is or will be built. It lives on through
// loads for as long as there is a component of its kind with its ID:
//
//	newInstance ─► build ─► start ─► update … ─► stop ─► done
//	     │           │
//	     └ waits     └ forgotten, if the load fails: nothing to stop
//
// An instance that has ended by itself is not started again; the next load
// makes another one in its place.
type instance struct {
	p        *Pipeline
	id       string
	kind     component.Kind
	registry *registry
	live     live.Feed // what it says of the data that pass through it
	flow     live.Flow // how many there were

	cancel context.CancelFunc // ends Run; nil before start
	done   chan struct{}      // closed when Run has returned, and by a stop without a start

	// What follows belongs to Pipeline.mu, except that the holder of
	// Pipeline.turn reads built, running and args without it.
	built   bool
	running component.Running
	args    any
	exports any              // nil before the first export
	problem component.Health // of evaluation; Since is zero if there is none
	health  component.Health // of Run
}

// newInstance returns an instance for n that is not built.
func (p *Pipeline) newInstance(n *node) *instance {
	return &instance{
		p: p, id: n.id, kind: n.Kind, done: make(chan struct{}),
		registry: newRegistry(p.cfg.Env.Registry, componentPath(n.id), localID(n.id)),
		health:   component.Health{State: component.Unknown, Message: "not evaluated yet", Since: time.Now()},
	}
}

// localID returns the part of a full ID after the module's.
func localID(id string) string { return path.Base(id) }

// moduleID returns the part of a full ID that names the module; "" for the root.
func moduleID(id string) string {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i]
	}
	return ""
}

// componentPath is the label component_path of a component.
func componentPath(id string) string { return "/" + moduleID(id) }

// alive returns the running instance that n goes on with, or nil.
func (p *Pipeline) alive(n *node) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.tree.byID(n.id)
	if old == nil || old.inst == nil || !old.inst.built || old.Name != n.Name || old.inst.health.State == component.Exited {
		return nil
	}
	return old.inst
}

// build makes the component.
func (i *instance) build(args any) error {
	running, err := i.kind.Build(i.env(), args)
	if err != nil {
		i.registry.clear()
		return err
	}
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.running, i.args, i.built = running, args, true
	i.problem = component.Health{}
	i.health = component.Health{State: component.Unknown, Message: "built, and not started yet", Since: time.Now()}
	return nil
}

// env is what i is lent.
func (i *instance) env() component.Env {
	env := i.p.cfg.Env
	env.ID = i.id
	env.Log = env.Log.With("component", i.id)
	env.Dir = filepath.Join(env.Dir, filepath.FromSlash(i.id))
	env.Registry = i.registry
	env.HTTPPath = "/api/v0/component/" + i.id + "/"
	env.Export = i.export
	env.Live, env.Flow = &i.live, &i.flow
	env.Tell = func(node string, note []byte) {
		if tell := i.p.cfg.Tell; tell != nil {
			tell(node, i.id, note)
		}
	}
	return env
}

// export takes new exports and has what refers to them evaluated again. It is
// called by components, from any goroutine, also while they are built, and does
// no more than to take a note: see settle.
func (i *instance) export(exports any) {
	p := i.p
	p.mu.Lock()
	i.exports = exports
	if _, waits := p.dirty[i]; !waits {
		p.dirty[i] = time.Now()
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // there is a token already
	}
}

// update replaces the arguments of a component that is built.
func (i *instance) update(args any) error {
	if err := i.running.Update(args); err != nil {
		return err
	}
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.args = args
	i.problem = component.Health{}
	return nil
}

// start runs a component that is built and has not been started. The caller
// holds Pipeline.turn. Its context does not end with Run's: stopAll says when.
func (i *instance) start() {
	if !i.built || i.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	i.setHealth(component.Healthy, "started")
	i.p.runs.Go(func() {
		defer close(i.done)
		err := i.running.Run(ctx)
		i.registry.clear()
		switch {
		case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			i.setHealth(component.Exited, "stopped")
		case err != nil:
			i.setHealth(component.Exited, "exited: "+err.Error())
			i.p.log.Error("component exited", "component", i.id, "err", err)
		default:
			i.setHealth(component.Exited, "exited")
		}
	})
}

// stop asks the component to end. The caller holds Pipeline.turn.
func (i *instance) stop() {
	if i.cancel == nil {
		i.cancel = func() {}
		i.registry.clear()
		close(i.done)
		return
	}
	i.cancel()
}

// joined waits for the component to have ended, for at most limit.
func (i *instance) joined(limit time.Duration) bool {
	select {
	case <-i.done:
		return true
	default:
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-i.done:
		return true
	case <-t.C:
		return false
	}
}

func (i *instance) setHealth(s component.HealthState, message string) {
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.health = component.Health{State: s, Message: message, Since: time.Now()}
}

// fail records what was wrong at an evaluation.
func (i *instance) fail(message string) {
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.problem = component.Health{State: component.Unhealthy, Message: message, Since: time.Now()}
}

// fine records that the last evaluation found nothing wrong.
func (i *instance) fine() {
	i.p.mu.Lock()
	defer i.p.mu.Unlock()
	i.problem = component.Health{}
}

// exports returns the value that references to n take fields from.
func (p *Pipeline) exports(n *node) any {
	switch n.Role {
	case graph.Argument:
		return map[string]any{"value": p.value(n)}
	case graph.Custom:
		out := map[string]any{}
		for name, e := range n.exportNodes() {
			out[name] = p.value(e)
		}
		return out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.inst != nil && n.inst.exports != nil {
		return n.inst.exports
	}
	return nothing(n.Kind.Exports)
}

// nothing returns the exports of a component that has exported nothing: the
// zero value of its type.
func nothing(t reflect.Type) any {
	if t == nil {
		return nil
	}
	return reflect.Zero(t).Interface()
}

// sample returns exports to check types with: the zero value of t, with one
// element in each list, since an empty list goes wherever a list is due.
func sample(t reflect.Type) any {
	if t == nil || t.Kind() != reflect.Struct {
		return nothing(t)
	}
	v := reflect.New(t).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.CanSet() && f.Kind() == reflect.Slice {
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		}
	}
	return v.Interface()
}

// value returns n.value.
func (p *Pipeline) value(n *node) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return n.value
}

// unexported returns the ID of a component that n reads, through modules, and
// that has exported nothing yet; "" if all have. In a dry run, none has.
func (p *Pipeline) unexported(n *node, dry bool) string {
	for _, r := range n.reads {
		switch {
		case r.pending != "":
			return r.id
		case r.Role != graph.Component && r.Role != graph.Import:
			if id := p.unexported(r, dry); id != "" {
				return id
			}
		case dry || !p.hasExported(r.inst):
			return r.id
		}
	}
	return ""
}

func (p *Pipeline) hasExported(i *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return i.exports != nil
}
