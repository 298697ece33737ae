package web

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/internal/script"
	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// Arguments and exports of the component test.part.
type (
	partArguments struct {
		Text   string            `alloy:"text,attr,optional"`
		Secret alloytypes.Secret `alloy:"secret,attr,optional"`
		From   string            `alloy:"from,attr,optional"`
		Sick   bool              `alloy:"sick,attr,optional"`
		Items  int               `alloy:"items,attr,optional"`
	}
	partExports struct {
		Text   string            `alloy:"text,attr"`
		Secret alloytypes.Secret `alloy:"secret,attr"`
	}
)

// A partItem is a block of a part's debug information.
type partItem struct {
	Number int `alloy:"number,attr"`
}

// A part exports its arguments, says how it was told to be, and serves its ID.
type part struct {
	env     component.Env
	args    partArguments
	started *sync.WaitGroup
}

// newPart returns what builds a part. started waits for all that were built.
func newPart(started *sync.WaitGroup) func(component.Env, partArguments) (component.Instance[partArguments], error) {
	return func(env component.Env, args partArguments) (component.Instance[partArguments], error) {
		started.Add(1)
		env.Export(partExports{args.Text, args.Secret})
		return &part{env, args, started}, nil
	}
}

func (p *part) Run(ctx context.Context) error {
	p.started.Done()
	<-ctx.Done()
	return nil
}

func (p *part) Update(args partArguments) error {
	p.args = args
	p.env.Export(partExports{args.Text, args.Secret})
	return nil
}

func (p *part) Health() component.Health {
	if p.args.Sick {
		return component.Health{State: component.Unhealthy, Message: "as told"}
	}
	return component.Health{State: component.Healthy, Message: "fine"}
}

func (p *part) DebugInfo() any {
	if p.args.Items == 0 {
		return nil
	}
	var d struct {
		Items []partItem `alloy:"item,block"`
	}
	for i := range p.args.Items {
		d.Items = append(d.Items, partItem{i})
	}
	return d
}

func (p *part) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(p.env.ID + " serves " + r.URL.Path + "\n"))
	})
}

// Each file in testdata is a session of someone who asks the API:
//
//	load          loads the configuration below
//	get PATH      shows status and body, JSON indented and times left out
func TestAPI(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		var started sync.WaitGroup
		s := testServer(t, &started)
		return func(c script.Command) string {
			if c.Words[0] == "load" {
				if err := s.cfg.Pipeline.Load(map[string][]byte{"a.alloy": []byte(c.Input)}); err != nil {
					return err.Error() + "\n"
				}
				started.Wait()
				return ""
			}
			return ask(s, c.Words[1])
		}
	})
}

// Of long lists the beginning is shown, and how long they are; all is shown to
// who asks for it.
func TestLongListsAreShortened(t *testing.T) {
	var started sync.WaitGroup
	s := testServer(t, &started)
	if err := s.cfg.Pipeline.Load(map[string][]byte{"a.alloy": []byte("test.part \"a\" {\n\titems = 10000\n}\n")}); err != nil {
		t.Fatal(err)
	}
	started.Wait()
	f := func(query string, items, shortened int) {
		t.Helper()
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v0/web/components/test.part.a"+query, nil))
		var c componentJSON
		if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
			t.Fatalf("%s: %d %v", query, w.Code, err)
		}
		var list []any
		if err := json.Unmarshal(c.DebugInfo, &list); err != nil {
			t.Fatal(err)
		}
		if len(list) != items || c.Shortened["debugInfo"]["item"] != shortened {
			t.Errorf("%s: %d items, shortened from %v; want %d from %d", query, len(list), c.Shortened, items, shortened)
		}
	}
	f("", keptItems, 10000)
	f("?limit=3", 3, 10000)
	f("?limit=20000", 10000, 0)
	f("?limit=0", 10000, 0)
	if got := ask(s, "/api/v0/web/components/test.part.a?limit=-1"); !strings.HasPrefix(got, "Bad Request") {
		t.Errorf("a negative limit: %s", got)
	}
}

// testServer returns a server over a pipeline that runs until the test ends.
func testServer(t *testing.T, started *sync.WaitGroup) *Server {
	t.Helper()
	listener, err := Listen("127.0.0.1:0", "memory:1")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	p := pipeline.New(pipeline.Config{
		Kinds: []component.Kind{component.Of[partArguments, partExports]("test.part", newPart(started))},
		Env:   component.Env{Dir: t.TempDir(), Registry: registry},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(Config{
		Listener: listener, Pipeline: p, Gatherer: registry, Log: slog.New(slog.DiscardHandler),
		Reload: func() error { return nil }, PathPrefix: "/",
		Self: "me", View: cell.New(owner.Alone("me")),
	})
}

// volatile is what differs from run to run.
var volatile = regexp.MustCompile(`"updatedTime": "[^"]*"|127\.0\.0\.1:\d+`)

// ask returns status and body of a request for path.
func ask(s *Server, path string) string {
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	body := w.Body.String()
	var indented bytes.Buffer
	if json.Indent(&indented, w.Body.Bytes(), "", "  ") == nil {
		body = indented.String()
	}
	body = volatile.ReplaceAllString(body, "…")
	return http.StatusText(w.Code) + "\n" + strings.TrimSuffix(body, "\n") + "\n"
}
