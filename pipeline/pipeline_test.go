package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// open returns a pipeline that has loaded config, and runs it. stop ends it and
// returns what Run returned.
func open(t *testing.T, cfg Config, config string) (p *Pipeline, stop func() error) {
	t.Helper()
	p = New(cfg)
	if err := p.Load(main(config)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() error { cancel(); return <-done }
}

func main(config string) map[string][]byte { return map[string][]byte{"main.alloy": []byte(config)} }

// A component ends only after everything that refers to it has ended, also
// where a module stands between them.
func TestDependantsEndFirst(t *testing.T) {
	const config = `
		test.sink "write" { }
		declare "relabel" {
			argument "to" { }
			test.source "inside" { forward_to = [argument.to.value] }
			test.sink "in" { name = string.format("%v", argument.to.value) }
			export "receiver" { value = test.sink.in.receiver }
		}
		relabel "r" { to = test.sink.write.receiver }
		test.source "scrape" { forward_to = [relabel.r.receiver] }
		test.source "other" { forward_to = [test.sink.write.receiver] }`
	synctest.Test(t, func(t *testing.T) {
		rec := newRecorder()
		_, stop := open(t, storyConfig(rec, nil), config)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		events := strings.Split(rec.take(), "\n")
		f := func(first, second string) {
			t.Helper()
			a, b := slices.Index(events, "stopped "+first), slices.Index(events, "stopped "+second)
			if a < 0 || b < a {
				t.Errorf("%s ended at %d, %s at %d; want it before", first, a, second, b)
			}
		}
		f("test.source.scrape", "relabel.r/test.sink.in")
		f("relabel.r/test.sink.in", "test.sink.write")
		f("relabel.r/test.source.inside", "test.sink.write")
		f("test.source.other", "test.sink.write")
	})
}

// What has not ended at the deadline is abandoned and named; what it refers to
// is told to end all the same.
func TestDeadlineAbandonsAndNames(t *testing.T) {
	const config = `
		test.sink "wedged" { stubborn = true }
		test.pass "fine" { value = "x" }`
	synctest.Test(t, func(t *testing.T) {
		rec := newRecorder()
		cfg := storyConfig(rec, nil)
		cfg.ShutdownDeadline = time.Minute
		_, stop := open(t, cfg, config)
		synctest.Wait()
		start := time.Now()
		err := stop()
		if err == nil || err.Error() != "stop: abandoned after 1m0s: test.sink.wedged" {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("stop took %s; want the deadline", took)
		}
		time.Sleep(2 * time.Hour)
	})
}

// A load waits a little for what it removes, and goes on without it; what has
// the same name waits for it to be gone.
func TestRemovedComponentDoesNotHoldUpLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := open(t, storyConfig(newRecorder(), nil), `test.sink "slow" { stubborn = true }`)
		synctest.Wait()
		start := time.Now()
		if err := p.Load(main(`test.pass "a" { value = "x" }`)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != leaveGrace {
			t.Errorf("load took %s; want %s", took, leaveGrace)
		}
		if err := p.Load(main(`test.sink "slow" { }`)); err == nil || !strings.Contains(err.Error(), "still stopping") {
			t.Errorf("load beside the old component returned %v", err)
		}
		time.Sleep(time.Hour)
		if err := p.Load(main(`test.sink "slow" { }`)); err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A new component that others refer to runs before the old one is stopped, and
// one that nobody refers to after that.
func TestReplacementsOverlapOnlyWhereTheyAreReferredTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := newRecorder()
		p, stop := open(t, storyConfig(rec, nil), `
			test.sink "old" { stubborn = true }
			test.source "old" { forward_to = [test.sink.old.receiver] }`)
		synctest.Wait()
		go func() {
			time.Sleep(time.Second)
			f := func(id string, want component.HealthState) {
				t.Helper()
				if s, _ := p.Component(id); s.Health.State != want {
					t.Errorf("%s is %s while what it replaces is stopping; want %s", id, s.Health.State, want)
				}
			}
			f("test.sink.new", component.Healthy)
			f("test.source.new", component.Unknown)
		}()
		err := p.Load(main(`
			test.sink "new" { }
			test.source "new" { forward_to = [test.sink.new.receiver] }`))
		if err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A pipeline that is stopped loads nothing, and runs once.
func TestStoppedPipelineLoadsNothing(t *testing.T) {
	p, stop := open(t, storyConfig(newRecorder(), nil), "")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Load(main("")); err == nil {
		t.Error("loaded")
	}
	if err := p.Run(t.Context()); err == nil {
		t.Error("ran twice")
	}
}

// A polled file is followed, and its last content is kept while it cannot be
// read.
func TestImportFollowsPolledFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "lib.alloy")
		write := func(n string) {
			t.Helper()
			text := fmt.Sprintf(`declare "one" { export "n" { value = %q } }`, n)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("1")
		rec := newRecorder()
		_, stop := open(t, storyConfig(rec, nil), fmt.Sprintf(`
			import.file "lib" {
				filename       = %q
				detector       = "poll"
				poll_frequency = "10s"
			}
			lib.one "a" { }
			test.pass "out" { value = lib.one.a.n }`, file))
		synctest.Wait()
		rec.take()
		f := func(want string) {
			t.Helper()
			time.Sleep(11 * time.Second)
			synctest.Wait()
			if got := rec.take(); got != want {
				t.Errorf("got %q; want %q", got, want)
			}
		}
		f("")
		write("2")
		f("update test.pass.out: {Value:2}\n")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		f("")
		write("3")
		f("update test.pass.out: {Value:3}\n")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A watched file is followed at once.
func TestImportFollowsWatchedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lib.alloy")
	write := func(n string) {
		text := fmt.Sprintf(`declare "one" { export "n" { value = %q } }`, n)
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	p, stop := open(t, storyConfig(newRecorder(), nil), fmt.Sprintf(`
		import.file "lib" { filename = %q }
		lib.one "a" { }
		test.pass "out" { value = lib.one.a.n }`, file))
	value := func() string {
		s, _ := p.Component("test.pass.out")
		return s.Exports.(text).Value
	}
	for n := 0; value() != "last" && t.Context().Err() == nil; n++ {
		if n%1000 == 0 { // the watch may begin after the first of them
			write("last")
		}
		runtime.Gosched()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Exports from many goroutines, loads, snapshots and metrics at the same time
// leave the last exports and the last configuration in force.
func TestConcurrentExportsAndLoads(t *testing.T) {
	const late = 8
	config := func(n int) string {
		var b strings.Builder
		for i := range late {
			fmt.Fprintf(&b, "test.late \"l%d\" { value = \"\" }\n", i)
			fmt.Fprintf(&b, "test.pass \"p%d\" { value = \"%d:\" + test.late.l%d.value }\n", i, n, i)
		}
		return b.String()
	}
	rec, reg := newRecorder(), prometheus.NewRegistry()
	p, stop := open(t, storyConfig(rec, reg), config(0))
	var wg sync.WaitGroup
	for i := range late {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		export := rec.late[fmt.Sprintf("test.late.l%d", i)]
		wg.Go(func() {
			for range 100 {
				export(text{Value: fmt.Sprint(rng.IntN(10))})
			}
			export(text{Value: "last"})
		})
	}
	wg.Go(func() {
		for n := range 20 {
			if err := p.Load(main(config(n))); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 20 {
			p.Components()
			if _, err := reg.Gather(); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	for settled := false; !settled; runtime.Gosched() {
		settled = true
		for i := range late {
			s, _ := p.Component(fmt.Sprintf("test.pass.p%d", i))
			settled = settled && s.Exports.(text).Value == "19:last"
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A component is lent what is its own.
func TestEnvIsNarrowed(t *testing.T) {
	var got component.Env
	k := component.Of[text, component.None]("test.env", func(env component.Env, _ text) (component.Instance[text], error) {
		got = env
		return &exits{}, nil
	})
	var logged bytes.Buffer
	p := New(Config{Kinds: []component.Kind{k}, Env: component.Env{
		Dir: "store", Self: "me", Drain: time.Second, Log: slog.New(slog.NewTextHandler(&logged, nil)),
	}})
	if err := p.Load(main(`declare "m" { test.env "a" { value = "x" } } m "i" { }`)); err == nil {
		t.Fatal("two blocks in one line")
	}
	if err := p.Load(main("declare \"m\" {\n test.env \"a\" { value = \"x\" }\n}\nm \"i\" { }")); err != nil {
		t.Fatal(err)
	}
	got.Log.Info("hello")
	f := func(got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	f(got.ID, "m.i/test.env.a")
	f(got.Dir, filepath.Join("store", "m.i", "test.env.a"))
	f(got.HTTPPath, "/api/v0/component/m.i/test.env.a/")
	f(got.Self, "me")
	f(got.Drain, time.Second)
	f(strings.Contains(logged.String(), "component=m.i/test.env.a"), true)
	f(p.Handler("m.i/test.env.a"), nil)
	f(p.Handler("nobody"), nil)
}

// Whatever the text is, loading and validating it ends, and does not panic.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	mistakes, _ := filepath.Glob("testdata/mistakes/*.txt")
	for _, name := range append(files, mistakes...) {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(content), "\n----\n") {
			var config strings.Builder
			for line := range strings.Lines(block) {
				if indented, ok := strings.CutPrefix(line, "\t"); ok {
					config.WriteString(indented)
				}
			}
			f.Add([]byte(config.String()))
		}
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		if bytes.Contains(config, []byte("import.file")) {
			return // reads what the text says
		}
		cfg := storyConfig(newRecorder(), nil)
		sources := map[string][]byte{"main.alloy": config}
		invalid := Validate(cfg, sources)
		err := New(cfg).Load(sources)
		if invalid != nil && err == nil {
			t.Errorf("loaded what is not valid: %v", invalid)
		}
		var b bytes.Buffer
		if err := Render(&b, err); err != nil {
			t.Error(err)
		}
	})
}
