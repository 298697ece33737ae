package ui

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Arguments and exports of the component test.part.
type (
	partArguments struct {
		Text   string            `alloy:"text,attr,optional"`
		Secret alloytypes.Secret `alloy:"secret,attr,optional"`
		Words  []string          `alloy:"words,attr,optional"`
		Sick   bool              `alloy:"sick,attr,optional"`
		To     []string          `alloy:"to,attr,optional"`
		Pairs  []partPair        `alloy:"pair,block,optional"`
	}
	partPair struct {
		Name  string `alloy:"name,attr"`
		Value int    `alloy:"value,attr,optional"`
	}
	partExports struct {
		Receiver string `alloy:"receiver,attr"`
	}
)

// A stage is as healthy as it is told to be, and counts three samples.
type stage struct{ args partArguments }

func newPart(env component.Env, args partArguments) (component.Instance[partArguments], error) {
	env.Export(partExports{"the receiver"})
	env.Flow.Add(3)
	return &stage{args}, nil
}

func (p *stage) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (p *stage) Update(args partArguments) error {
	p.args = args
	return nil
}

func (p *stage) Health() component.Health {
	if p.args.Sick {
		return component.Health{State: component.Unhealthy, Message: "as told", Since: noon}
	}
	return component.Health{State: component.Healthy, Message: "fine", Since: noon}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const partsConfig = `
test.part "one" {
  text   = "<script>alert(1)</script> http://me:pa55word@host/ & more"
  secret = "pa55word"
  words  = ["a", "b"]
  to     = [inner.box.receiver]
  pair {
    name = "x"
  }
  pair {
    name  = "y"
    value = 7
  }
}
test.part "two" {
  sick = true
}
declare "inner" {
  test.part "deep" {
    to = [test.part.deeper.receiver]
  }
  test.part "deeper" { }
  export "receiver" {
    value = test.part.deep.receiver
  }
}
inner "box" { }
`

// partsUI returns a UI over a pipeline that runs until the test ends.
func partsUI(t *testing.T, prefix string) *UI {
	t.Helper()
	kind := component.Of[partArguments, partExports]("test.part", newPart)
	kind.Data = live.Metrics
	p := pipeline.New(pipeline.Config{
		Kinds: []component.Kind{kind},
		Env:   component.Env{Dir: t.TempDir(), Registry: prometheus.NewRegistry()},
	})
	if err := p.Load(map[string][]byte{"a.alloy": []byte(partsConfig)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return New(Config{
		Pipeline: p, Log: slog.New(slog.DiscardHandler), Self: "me", Version: "v0", Prefix: prefix,
		Now: func() time.Time { return noon.Add(time.Minute) },
	})
}

// ask returns the answer to a request with headers, names and values in turn.
func ask(u *UI, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	u.ServeHTTP(w, r)
	return w
}

// partPages are paths of pages that need no fleet.
var partPages = []string{
	"/", "/?q=part&health=healthy&sort=-since", "/component/test.part.one", "/component/inner.box",
	"/component/inner.box/test.part.deep", "/graph", "/graph/inner.box", "/debug/test.part.one", "/nowhere",
}

func TestBrowsersMayLoadOnlyWhatIsOurs(t *testing.T) {
	u := partsUI(t, "")
	foreign := regexp.MustCompile(`(?i)(?:src|href)="(?:https?:)?//|<style|\sstyle=|\son[a-z]+=|<script>|javascript:`)
	for _, path := range partPages {
		w := ask(u, path)
		if w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s has the policy %q", path, w.Header().Get("Content-Security-Policy"))
		}
		if found := foreign.FindString(w.Body.String()); found != "" {
			t.Errorf("%s holds %q", path, found)
		}
	}
}

func TestPagesHoldNoSecret(t *testing.T) {
	u := partsUI(t, "")
	for _, path := range append(partPages, "/component/test.part.one?value=arguments/0", "/component/test.part.one?value=arguments/1") {
		if w := ask(u, path); strings.Contains(w.Body.String(), "pa55word") {
			t.Errorf("%s holds a password:\n%s", path, w.Body)
		}
	}
	if page := ask(u, "/component/test.part.one").Body.String(); !strings.Contains(page, "(secret)") {
		t.Error("a secret is not shown as one")
	}
}

func TestHidingPasswordsLeavesTagsWhole(t *testing.T) {
	in := `<td>http://h/?password=x<br><span class="dim">y</span><i>http://u:x@h/</i>`
	want := `<td>http://h/?password=(redacted)<br><span class="dim">y</span><i>http://u:(redacted)@h/</i>`
	if got := string(hidePasswords(in)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEveryLinkLeadsBelowThePrefix(t *testing.T) {
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	u := partsUI(t, "/tools/divvy/")
	for _, path := range partPages {
		w := ask(u, "/tools/divvy"+path)
		if want := path == "/nowhere"; (w.Code == http.StatusNotFound) != want {
			t.Errorf("%s answers %d", path, w.Code)
		}
		for _, m := range links.FindAllStringSubmatch(w.Body.String(), -1) {
			to := m[1]
			fixed := to == "/metrics" || to == "/-/support" || strings.HasPrefix(to, "#")
			if !fixed && !strings.HasPrefix(to, "/tools/divvy/") {
				t.Errorf("%s links to %s", path, to)
			}
		}
	}
}

// What pages link to is there.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	links := regexp.MustCompile(`(?:href|src)="(/[^"#]*)`)
	u := partsUI(t, "")
	for _, path := range partPages {
		for _, m := range links.FindAllStringSubmatch(ask(u, path).Body.String(), -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			switch to {
			case "/metrics", "/-/support", "/clustering", "/targets", "/remote-write": // not of this package, or of a fleet
				continue
			}
			if strings.HasPrefix(to, "/api/") {
				continue
			}
			if w := ask(u, to); w.Code != http.StatusOK {
				t.Errorf("%s links to %s, which answers %d", path, to, w.Code)
			}
		}
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	u := partsUI(t, "")
	first := ask(u, "/")
	again := ask(u, "/", "If-None-Match", first.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("answers %d with %d bytes", again.Code, again.Body.Len())
	}
	if other := ask(u, "/?q=two", "If-None-Match", first.Header().Get("ETag")); other.Code != http.StatusOK {
		t.Errorf("another page answers %d", other.Code)
	}
}

func TestTheStripSaysWhatIsWrong(t *testing.T) {
	page := ask(partsUI(t, ""), "/graph").Body.String()
	if !strings.Contains(page, "1 problem") || !strings.Contains(page, "Component test.part.two is unhealthy: as told") {
		t.Errorf("the page does not say that a component is sick:\n%s", page)
	}
}

func TestAPIsThatAreNotThereSayItPlainly(t *testing.T) {
	u := partsUI(t, "/x")
	for _, path := range []string{"/x/api/v0/web/nothing", "/x/-/nothing"} {
		w := ask(u, path)
		if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "<") {
			t.Errorf("%s answers %d: %s", path, w.Code, w.Body)
		}
	}
}

// Each script and each script of others is served, and for ever under its name.
func TestAssetsAreServedForEver(t *testing.T) {
	u := partsUI(t, "/x")
	err := fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		w := ask(u, u.files.url(strings.TrimPrefix(name, "assets/")))
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s answers %d, %q", name, w.Code, w.Header().Get("Cache-Control"))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if w := ask(u, "/x/assets/older/ui.css"); w.Code != http.StatusNotFound {
		t.Errorf("an asset of another version answers %d", w.Code)
	}
}
