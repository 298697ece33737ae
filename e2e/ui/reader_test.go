package ui

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// refreshed waits until the page has been brought up to date n times more.
func (p *tab) refreshed(n int) {
	p.t.Helper()
	eval[bool](p, `window.times = 0; document.addEventListener("refreshed", () => window.times++); true`)
	for range n {
		// Without a difference nothing is sent, and nothing morphs.
		p.until("the page is brought up to date", "window.times > 0")
		eval[bool](p, "window.times = 0; true")
	}
}

// What a reader does to a page stays when the page is brought up to date: the
// focus, opened details, scrolled panes, text that is typed but not applied.
func TestUpdatesLeaveTheReaderAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	w.start("a")
	p := openTab(t, looks[0])
	p.visit(w.nodes["a"].url("/component/prometheus.scrape.shops"))
	p.sees("Debug information")
	p.do(chromedp.Evaluate(`
		window.opened = document.querySelector("main details");
		opened.open = true;
		window.link = document.querySelector("aside a");
		link.focus();
		window.scrollTo(0, 150);
		window.places = [opened, link];
	`, nil))
	p.refreshed(2)
	f := func(law, script string) {
		t.Helper()
		if !eval[bool](p, script) {
			t.Errorf("%s: no", law)
		}
	}
	f("the same elements are there", "places.every(e => e.isConnected)")
	f("the opened details are open", "opened.open")
	f("the focus is where it was", "document.activeElement === link")
	f("the page is where it was", "Math.abs(scrollY - 150) < 2")
	p.do(chromedp.Evaluate(`getSelection().selectAllChildren(document.querySelector("h1"))`, nil))
	before := eval[string](p, "getSelection().toString()")
	p.until("two more updates would have been", "(window.since ??= performance.now(), performance.now() - since > 4500)")
	if after := eval[string](p, "getSelection().toString()"); after != before || before == "" {
		t.Errorf("selected was %q and is %q", before, after)
	}
}

// Filters apply while they are typed, and stand in the URL.
func TestFiltersApplyWhileTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.start("a")
	p := openTab(t, looks[0])
	p.visit(w.nodes["a"].url("/"))
	p.sees("discovery.http.shops")
	p.do(input.DispatchKeyEvent(input.KeyRawDown).WithKey("/"), input.InsertText("remote"))
	p.until("one row is left", `document.querySelectorAll("tbody tr").length === 1`)
	if url := eval[string](p, "location.href"); !strings.HasSuffix(url, "/?q=remote") {
		t.Errorf("the URL is %s", url)
	}
	if typed := eval[string](p, "document.activeElement.value"); typed != "remote" {
		t.Errorf("the field holds %q", typed)
	}
	p.do(chromedp.Reload(), chromedp.WaitReady("#main"))
	if n := eval[int](p, `document.querySelectorAll("tbody tr").length`); n != 1 {
		t.Errorf("after a reload there are %d rows", n)
	}
}

// A paused page stays as it is; a chosen theme stays chosen.
func TestPauseAndThemeAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.start("a")
	p := openTab(t, looks[0])
	p.visit(w.nodes["a"].url("/"))
	p.do(chromedp.Click("#pause"), chromedp.Click("#theme"))
	p.until("the page is dark", `document.documentElement.dataset.theme === "dark"`)
	before := eval[string](p, "document.querySelector('main').innerHTML")
	p.until("time passes", "(window.since ??= performance.now(), performance.now() - since > 4500)")
	if eval[string](p, "document.querySelector('main').innerHTML") != before {
		t.Error("a paused page has changed")
	}
	p.do(chromedp.Reload(), chromedp.WaitReady("#main"))
	if !eval[bool](p, `document.documentElement.dataset.theme === "dark" && document.getElementById("pause").ariaPressed === "true"`) {
		t.Error("after a reload the page is light, or not paused")
	}
	p.do(chromedp.Click("#theme"), chromedp.Click("#pause"))
}

// Live data come as a stream that can be filtered, stopped and cleared.
func TestLiveDataStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30)
	w.start("a")
	p := openTab(t, looks[0])
	p.visit(w.nodes["a"].url("/debug/prometheus.scrape.shops"))
	p.until("lines come", `document.querySelectorAll("#stream pre").length > 5`)
	p.shoot("debug-lines-light")
	p.do(chromedp.Click(`[data-do="pause"]`))
	count := eval[int](p, `document.querySelectorAll("#stream pre").length`)
	p.until("time passes", "(window.since ??= performance.now(), performance.now() - since > 3500)")
	if now := eval[int](p, `document.querySelectorAll("#stream pre").length`); now > count+500 || eval[string](p, `document.querySelector('[data-do="pause"]').textContent`) != "Resume" {
		t.Errorf("a paused stream went from %d to %d lines", count, now)
	}
	p.do(chromedp.Focus("[data-search]"), input.InsertText("no line has this"))
	p.until("no line is left", `document.querySelectorAll("#stream pre").length === 0`)
	p.accessible()
	p.do(chromedp.Click(`[data-do="clear"]`))
	p.until("the stream is empty", `document.getElementById("stream-state").textContent.startsWith("Paused at 0 lines")`)
	if url := eval[string](p, "location.search"); !strings.Contains(url, "q=no+line") {
		t.Errorf("the query is %s", url)
	}
}

// The picture of the pipeline says how much flows along each edge, and can be
// zoomed; zooming survives updates.
func TestGraphShowsRates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	w.start("a")
	p := openTab(t, looks[0])
	p.visit(w.nodes["a"].url("/graph"))
	p.until("samples flow along both edges", `[...document.querySelectorAll(".rate")].filter(e => /^[1-9]/.test(e.textContent)).length === 2`)
	p.shoot("graph-rates-light")
	p.accessible()
	width := eval[float64](p, `document.querySelector("svg.graph").getBoundingClientRect().width`)
	p.do(chromedp.Click(`[data-zoom="1.25"]`))
	p.refreshed(1)
	if now := eval[float64](p, `document.querySelector("svg.graph").getBoundingClientRect().width`); now < width*1.2 {
		t.Errorf("the picture is %g pixels wide after zooming in and an update; it was %g", now, width)
	}
	p.do(chromedp.Click(".graph .open"), chromedp.WaitVisible(`.crumbs [href="/component/till.first"]`))
}
