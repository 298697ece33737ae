package pipeline

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// A recorder notes what happens to the components of a test.
type recorder struct {
	mu     sync.Mutex
	events []string
	late   map[string]func(any) // Export of each test.late, by ID
}

func newRecorder() *recorder { return &recorder{late: map[string]func(any){}} }

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

// take returns the events since the last call.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := strings.Join(r.events, "\n")
	if r.events = nil; out != "" {
		out += "\n"
	}
	return out
}

// text is the arguments and exports of the kinds that hand a text on.
type text struct {
	Value string `alloy:"value,attr"`
}

// receiver is what test.sink exports: something alive.
type receiver struct{ to *recorder }

func (receiver) AlloyCapsule() {}

type receiverExports struct {
	Receiver receiver `alloy:"receiver,attr"`
}

type sinkArguments struct {
	Name     string `alloy:"name,attr,optional"`
	Refuse   bool   `alloy:"refuse,attr,optional"`
	Stubborn bool   `alloy:"stubborn,attr,optional"`
}

type sourceArguments struct {
	Every     time.Duration     `alloy:"every,attr,optional"`
	Token     alloytypes.Secret `alloy:"token,attr,optional"`
	Limit     int               `alloy:"limit,attr,optional"`
	Most      uint              `alloy:"most,attr,optional"`
	ForwardTo []receiver        `alloy:"forward_to,attr"`
	Rules     []rule            `alloy:"rule,block,optional"`
	TLS       *tlsArguments     `alloy:"tls,block,optional"`
}

// Validate is part of syntax.Validator.
func (a *sourceArguments) Validate() error {
	if a.Every < time.Duration(a.Limit)*time.Second {
		return fmt.Errorf("every (%s) is below limit (%d)", a.Every, a.Limit)
	}
	return nil
}

// SetToDefault is part of syntax.Defaulter.
func (a *sourceArguments) SetToDefault() { *a = sourceArguments{Every: time.Minute} }

type tlsArguments struct {
	CertFile string `alloy:"cert_file,attr"`
}

type rule struct {
	Regex  string `alloy:"regex,attr,optional"`
	Action string `alloy:"action,attr,optional"`
}

// Validate is part of syntax.Validator.
func (r *rule) Validate() error {
	var errs []error
	if _, err := regexp.Compile(r.Regex); err != nil {
		errs = append(errs, fmt.Errorf("regex cannot be compiled: %w", err))
	}
	if r.Action == "explode" {
		errs = append(errs, errors.New(`action "explode" is unknown; use keep or drop`))
	}
	return errors.Join(errs...)
}

type secretExports struct {
	Content alloytypes.Secret `alloy:"content,attr"`
}

// fake is the instance of every test kind.
type fake[A any] struct {
	rec    *recorder
	env    component.Env
	args   A
	export func(A) any
	check  func(A) error
	wedged bool // Run does not end when it is told to
}

func (f *fake[A]) Run(ctx context.Context) error {
	<-ctx.Done()
	if f.wedged {
		<-time.After(time.Hour)
	}
	f.rec.note("stopped %s", f.env.ID)
	return nil
}

func (f *fake[A]) Update(args A) error {
	if err := f.check(args); err != nil {
		return err
	}
	f.rec.note("update %s: %v", f.env.ID, show(args))
	if f.args = args; f.export != nil {
		f.env.Export(f.export(args))
	}
	return nil
}

// show prints arguments without what is alive in them.
func show(args any) string {
	if a, ok := args.(sourceArguments); ok {
		return fmt.Sprintf("every=%s receivers=%d rules=%d", a.Every, len(a.ForwardTo), len(a.Rules))
	}
	return fmt.Sprintf("%+v", args)
}

// kind returns a test kind. export may be nil, and says what to export for
// arguments; check says which are refused.
func kind[A, X any](rec *recorder, name string, export func(A) any, check func(A) error) component.Kind {
	return component.Of[A, X](name, func(env component.Env, args A) (component.Instance[A], error) {
		if err := check(args); err != nil {
			return nil, err
		}
		rec.note("build %s: %s", env.ID, show(args))
		env.Registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "test_alive", Help: "."}))
		if export != nil {
			env.Export(export(args))
		}
		return &fake[A]{rec: rec, env: env, args: args, export: export, check: check}, nil
	})
}

func accept[A any](A) error { return nil }

// testKinds are the components of the tests.
func testKinds(rec *recorder) []component.Kind {
	late := component.Of[text, text]("test.late", func(env component.Env, args text) (component.Instance[text], error) {
		rec.note("build %s: %s", env.ID, show(args))
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.late[env.ID] = env.Export
		return &fake[text]{rec: rec, env: env, args: args, check: accept[text]}, nil
	})
	sink := component.Of[sinkArguments, receiverExports]("test.sink",
		func(env component.Env, args sinkArguments) (component.Instance[sinkArguments], error) {
			check := func(a sinkArguments) error {
				if a.Refuse {
					return errors.New("the sink refuses")
				}
				return nil
			}
			if err := check(args); err != nil {
				return nil, err
			}
			rec.note("build %s: %s", env.ID, show(args))
			env.Export(receiverExports{receiver{rec}})
			return &fake[sinkArguments]{rec: rec, env: env, args: args, check: check, wedged: args.Stubborn}, nil
		})
	remote := component.Of[text, contentExports]("remote.http",
		func(env component.Env, args text) (component.Instance[text], error) {
			rec.mu.Lock()
			defer rec.mu.Unlock()
			rec.late[env.ID] = func(v any) { env.Export(contentExports{alloytypes.OptionalSecret{Value: v.(text).Value}}) }
			return &fake[text]{rec: rec, env: env, args: args, check: accept[text]}, nil
		})
	return []component.Kind{
		kind[text, text](rec, "test.pass", func(a text) any { return a }, func(a text) error {
			if a.Value == "" {
				return errors.New("value is empty")
			}
			return nil
		}),
		kind[text, secretExports](rec, "test.secret",
			func(a text) any { return secretExports{alloytypes.Secret(a.Value)} }, accept[text]),
		kind[sourceArguments, component.None](rec, "test.source", nil, accept[sourceArguments]),
		kind[text, component.None](rec, "test.young", nil, accept[text]).At(component.Experimental),
		late, sink, remote, exiting(),
		kind[struct{}, manyExports](rec, "test.many", nil, accept[struct{}]),
	}
}

type manyExports struct {
	List []string `alloy:"list,attr"`
}

type contentExports struct {
	Content alloytypes.OptionalSecret `alloy:"content,attr"`
}

// exits is a component whose Run returns by itself, after a while.
type exits struct{ args text }

func (e *exits) Run(ctx context.Context) error {
	d, err := time.ParseDuration(e.args.Value)
	if err != nil {
		return fmt.Errorf("parse value: %w", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return nil
}

func (e *exits) Update(args text) error {
	e.args = args
	return nil
}

func exiting() component.Kind {
	return component.Of[text, component.None]("test.exits", func(_ component.Env, args text) (component.Instance[text], error) {
		return &exits{args}, nil
	})
}

type levelArguments struct {
	Level string `alloy:"level,attr,optional"`
}

// SetToDefault is part of syntax.Defaulter.
func (a *levelArguments) SetToDefault() { a.Level = "info" }

// Validate is part of syntax.Validator.
func (a *levelArguments) Validate() error {
	if a.Level == "loud" {
		return errors.New(`level "loud" is unknown; use info or debug`)
	}
	return nil
}

// testBlocks are the collector's own blocks in the tests.
func testBlocks(rec *recorder) []Block {
	return []Block{BlockOf("logging", func(a levelArguments) error {
		if a.Level == "broken" {
			return errors.New("cannot log at this level")
		}
		rec.note("logging at %s", a.Level)
		return nil
	})}
}
