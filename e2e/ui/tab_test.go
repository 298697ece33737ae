package ui

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axe looks for what keeps people from using a page.
//
//go:embed testdata/axe.min.js
var axe string

// patience is how long a page may take to show what is waited for.
const patience = time.Minute

// A look is how a page is shown.
type look struct {
	name          string
	dark          bool
	width, height int64
}

// looks are what each page is tried in.
var looks = []look{
	{"light", false, 1280, 900},
	{"dark", true, 1280, 900},
	{"phone", false, 360, 740},
}

// A tab is a page of the browser. What it complains of fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	excused  string // complaints with this text are expected
	faults   []string
	requests int
}

// openTab opens a tab, which is closed when the test ends.
func openTab(t *testing.T, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	p := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		p.calm()
		cancel()
	})
	chromedp.ListenTarget(ctx, p.hear)
	// The tab lives as long as the context in which something is first done.
	if err := chromedp.Run(ctx, log.Enable(), network.Enable(), emulation.SetFocusEmulationEnabled(true)); err != nil {
		t.Fatalf("open a tab: %s", err)
	}
	p.look(l)
	return p
}

// look shows what is open, and what comes, in another way.
func (p *tab) look(l look) {
	p.t.Helper()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	p.do(emulation.SetDeviceMetricsOverride(l.width, l.height, 1, l.width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// hear notes what the page complains of.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			p.faults = append(p.faults, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.faults = append(p.faults, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		p.requests++
		if !strings.HasPrefix(e.Request.URL, "http://127.0.0.1:") && !strings.HasPrefix(e.Request.URL, "data:") {
			p.faults = append(p.faults, "request to elsewhere: "+e.Request.URL)
		}
	}
}

// calm fails the test if the page has complained since it was asked last.
func (p *tab) calm() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		if p.excused == "" || !strings.Contains(fault, p.excused) {
			p.t.Errorf("the page complains: %s", fault)
		}
	}
	p.faults = nil
}

// excuse expects complaints with that text: of a node that the test ends.
func (p *tab) excuse(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused = text
}

// do runs actions in the tab.
func (p *tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("drive the browser: %s", err)
	}
}

// visit opens a URL and waits until it is loaded.
func (p *tab) visit(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url), chromedp.WaitReady("#main"))
}

// eval returns the value of a script's last expression.
func eval[T any](p *tab, script string) (value T) {
	p.t.Helper()
	p.do(chromedp.Evaluate(script, &value, func(e *runtime.EvaluateParams) *runtime.EvaluateParams {
		return e.WithAwaitPromise(true)
	}))
	return value
}

// until waits until a condition in script holds, and says what was waited for
// if it never does.
func (p *tab) until(what, condition string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var holds bool
	if err := chromedp.Run(ctx, chromedp.Poll(condition, &holds, chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		p.shoot("fault")
		p.t.Fatalf("%s: not within %s; the page says:\n%s", what, patience, eval[string](p, "document.body.innerText"))
	}
}

// sees waits until the page shows a text.
func (p *tab) sees(text string) {
	p.t.Helper()
	quoted, _ := json.Marshal(text)
	p.until("the page shows "+text, fmt.Sprintf("document.body.innerText.includes(%s)", quoted))
}

// shoot keeps a picture of the whole page.
func (p *tab) shoot(name string) {
	p.t.Helper()
	var png []byte
	p.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		p.t.Error(err)
	}
}

// accessible fails the test for each thing on the page that keeps somebody from
// using it.
func (p *tab) accessible() {
	p.t.Helper()
	found := eval[[]string](p, axe+`;
		axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
			.then(r => r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map(n => "  " + n.html + "\n  " + n.failureSummary).join("\n")))`)
	for _, f := range found {
		p.t.Errorf("not accessible: %s", f)
	}
}

// fits fails the test if the page is wider than the window.
func (p *tab) fits() {
	p.t.Helper()
	if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		p.t.Errorf("the page is %d pixels wider than the window; the widest:\n%s", over, eval[string](p, `
			[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre"))
				.slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`))
	}
}
