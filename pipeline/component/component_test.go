package component

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"
)

type arguments struct{ N int }

type exports struct{ Text string }

// plain has no optional powers; able has all of them.
type plain struct{ got arguments }

func (*plain) Run(ctx context.Context) error { return ctx.Err() }

func (p *plain) Update(a arguments) error {
	if a.N < 0 {
		return errors.New("negative")
	}
	p.got = a
	return nil
}

type able struct {
	plain
	told []string
}

func (*able) Health() Health        { return Health{State: Unhealthy, Message: "m"} }
func (*able) DebugInfo() any        { return "inner" }
func (*able) Handler() http.Handler { return http.NotFoundHandler() }

func (a *able) Told(from string, note []byte) { a.told = append(a.told, from+": "+string(note)) }

// A kind builds what it was made of, with the types it was made of.
func TestKindBuildsItsInstance(t *testing.T) {
	p := &plain{}
	k := Of[arguments, exports]("test.plain", func(env Env, a arguments) (Instance[arguments], error) {
		env.Export(exports{"built"})
		return p, p.Update(a)
	})
	if k.Arguments != reflect.TypeFor[arguments]() || k.Exports != reflect.TypeFor[exports]() {
		t.Errorf("types are %v and %v", k.Arguments, k.Exports)
	}
	var got []any
	env := Env{Export: func(x any) { got = append(got, x) }}
	if _, err := k.Build(env, arguments{-1}); err == nil {
		t.Error("built with arguments that are refused")
	}
	r, err := k.Build(env, arguments{1})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Update(arguments{2}); err != nil || p.got.N != 2 {
		t.Errorf("update: %v, got %v", err, p.got)
	}
	if err := r.Run(t.Context()); err != nil {
		t.Error(err)
	}
	r.Told("a", nil)
	if _, ok := r.Health(); ok || r.DebugInfo() != nil || r.Handler() != nil {
		t.Error("powers that the instance has not")
	}
	if want := []any{exports{"built"}, exports{"built"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("exported %v; want %v", got, want)
	}
}

// The optional powers of an instance are found.
func TestRunningHasThePowersOfItsInstance(t *testing.T) {
	a := &able{}
	k := Of[arguments, None]("test.able", func(Env, arguments) (Instance[arguments], error) { return a, nil })
	if k.Exports != nil {
		t.Errorf("None is %v", k.Exports)
	}
	r, err := k.Build(Env{}, arguments{})
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := r.Health(); !ok || h.State.String() != "unhealthy" {
		t.Errorf("health %v, %v", h, ok)
	}
	r.Told("node", []byte("text"))
	if r.DebugInfo() != "inner" || r.Handler() == nil || len(a.told) != 1 || a.told[0] != "node: text" {
		t.Error("a power is missing")
	}
}

// A translated kind is the same under another name, with other exports.
func TestTranslateReplacesExports(t *testing.T) {
	k := Of[arguments, exports]("test.one", func(env Env, _ arguments) (Instance[arguments], error) {
		env.Export(exports{"x"})
		return &plain{}, nil
	}).At(Experimental)
	other := k.Translate("test.two", func(x any) any { return x.(exports).Text + "!" })
	var got any
	if _, err := other.Build(Env{Export: func(x any) { got = x }}, arguments{}); err != nil {
		t.Fatal(err)
	}
	if got != "x!" || other.Name != "test.two" || k.Name != "test.one" || other.Stability.String() != "experimental" {
		t.Errorf("got %v from %s, %s", got, other.Name, other.Stability)
	}
}
