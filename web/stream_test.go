package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// A talker says ten lines a second and counts a hundred samples with each.
type talker struct{ env component.Env }

type talkerArguments struct {
	To string `alloy:"to,attr,optional"`
}

type talkerExports struct {
	Receiver string `alloy:"receiver,attr"`
}

func newTalker(env component.Env, _ talkerArguments) (component.Instance[talkerArguments], error) {
	env.Export(talkerExports{"r"})
	return &talker{env}, nil
}

func (t *talker) Run(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			t.env.Live.Say(func() string { return fmt.Sprintf("line %d\nhttp://me:hush@host/", n) })
			t.env.Flow.Add(100)
		case <-ctx.Done():
			return nil
		}
	}
}

func (*talker) Update(talkerArguments) error { return nil }

// A liveRig is a Server over a pipeline of talkers in virtual time.
type liveRig struct {
	t *testing.T
	p *pipeline.Pipeline
	s *Server
}

// streaming plays f in a bubble.
func streaming(t *testing.T, f func(*liveRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Config{Kinds: []component.Kind{
			component.Of[talkerArguments, talkerExports]("test.talker", newTalker).Shows(live.Metrics),
			component.Of[talkerArguments, talkerExports]("test.mute", newTalker),
		}})
		g := &liveRig{t: t, p: p, s: &Server{cfg: Config{Pipeline: p}, ending: make(chan struct{})}}
		g.load(`
			test.talker "a" { to = test.talker.b.receiver }
			test.talker "b" { }
			test.mute   "c" { }`)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		f(g)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (g *liveRig) load(text string) {
	g.t.Helper()
	if err := g.p.Load(map[string][]byte{"a.alloy": []byte(text)}); err != nil {
		g.t.Error(err)
	}
}

// get asks for a path and does meanwhile. It returns the status and the items,
// or the error's text, of a client that has gone then.
func (g *liveRig) get(path string, meanwhile func()) (status int, items []string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/{id...}", g.s.showLive)
	mux.HandleFunc("/graph", g.s.showRates)
	mux.HandleFunc("/graph/{id...}", g.s.showRates)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
	}()
	meanwhile()
	cancel()
	<-done
	text := w.Body.String()
	if w.Code != http.StatusOK {
		return w.Code, []string{text}
	}
	return w.Code, strings.Split(strings.TrimSuffix(text, delimiter), delimiter)
}

// seconds waits, to the middle between two of everybody's moments.
func seconds(n int) func() {
	return func() { time.Sleep(time.Duration(n)*time.Second + 50*time.Millisecond) }
}

// Who asks for live data gets what is said from then on, each second, without
// passwords.
func TestLiveDataComeEachSecond(t *testing.T) {
	streaming(t, func(g *liveRig) {
		g.p.ShowLive(true)
		seconds(2)()
		status, items := g.get("/debug/test.talker.a", seconds(3))
		if status != http.StatusOK || len(items) != 30 || items[0] != `line 20\nhttp://me:(redacted)@host/` {
			t.Errorf("%d: %d items, the first %q", status, len(items), items[0])
		}
		if _, items := g.get("/debug/test.talker.a?sampleProb=0", seconds(3)); items[0] != "" {
			t.Errorf("who wants nothing gets %q", items)
		}
	})
}

// What cannot be is refused with a reason.
func TestLiveDataAreRefused(t *testing.T) {
	streaming(t, func(g *liveRig) {
		f := func(path string, want int, reason string) {
			t.Helper()
			status, items := g.get(path, func() {})
			if status != want || !strings.Contains(items[0], reason) {
				t.Errorf("%s: %d %q", path, status, items)
			}
		}
		f("/debug/test.talker.a", http.StatusForbidden, "livedebugging { enabled = true }")
		g.p.ShowLive(true)
		f("/debug/test.talker.x", http.StatusNotFound, `no component "test.talker.x"`)
		f("/debug/test.mute.c", http.StatusNotFound, "components of its kind show none")
		f("/debug/test.talker.a?sampleProb=1.1", http.StatusBadRequest, "from 0 to 1")
		f("/debug/test.talker.a?sampleProb=-1", http.StatusBadRequest, "from 0 to 1")
		f("/debug/test.talker.a?sampleProb=NaN", http.StatusBadRequest, "from 0 to 1")
		f("/graph?window=0", http.StatusBadRequest, "from 1 to 60")
		f("/graph?window=61", http.StatusBadRequest, "from 1 to 60")
		f("/graph?window=x", http.StatusBadRequest, "from 1 to 60")
		f("/graph/x", http.StatusNotFound, `no module "x"`)
	})
}

// A stream ends with what it is about, and with the server.
func TestStreamsEnd(t *testing.T) {
	streaming(t, func(g *liveRig) {
		f := func(end func()) {
			t.Helper()
			g.p.ShowLive(true)
			_, items := g.get("/debug/test.talker.a", func() { seconds(1)(); end(); seconds(10)() })
			if len(items) > 20 {
				t.Errorf("%d items came", len(items))
			}
		}
		f(func() { g.p.ShowLive(false) })
		f(func() { g.load(`test.talker "b" { }`) })
		g.load(`test.talker "a" { }`)
		f(func() { close(g.s.ending) })
	})
}

// Each window has the rates of the components that count, live debugging or not.
func TestRatesAreToldForEachWindow(t *testing.T) {
	streaming(t, func(g *liveRig) {
		seconds(1)()
		_, items := g.get("/graph?window=2", seconds(4))
		want := []edgeJSON{
			{ComponentID: "test.talker.a", TargetComponentIDs: []string{"test.talker.b"}, Type: "prometheus_metric", Rate: 1000},
			{ComponentID: "test.talker.b", TargetComponentIDs: []string{}, Type: "prometheus_metric", Rate: 1000},
		}
		for _, text := range items {
			var got []edgeJSON
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		if _, items := g.get("/graph", seconds(11)); len(items) != 2 {
			t.Errorf("%d items in eleven seconds", len(items))
		}
	})
}
