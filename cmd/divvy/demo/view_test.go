package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The demo runs without a terminal, loses nothing, and says so.
func TestDemoLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var out bytes.Buffer
	cfg := demoConfig{targets: 5, series: 20, interval: 500 * time.Millisecond, duration: 3 * time.Second}
	if err := runDemo(context.Background(), cfg, console{in: strings.NewReader(""), out: &out, err: &out}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if text := out.String(); !strings.Contains(text, " 0 lost.") || strings.Contains(text, "\n0 scrapes") {
		t.Errorf("got %s", text)
	}
}

// What was scraped while the receiver was down arrives when it is back.
func TestDemoReceiverDownLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	d, err := openDemo(demoConfig{targets: 5, series: 20, interval: 500 * time.Millisecond}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d.setReceiver(true)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	d.watch(ctx, lineDisplay{t.Output()}, nil)
	before := d.state()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	after := d.state()
	if before.delivered != 0 || before.lost != 0 || before.waiting == 0 {
		t.Errorf("while the receiver was down: %s", before.line())
	}
	if after.lost != 0 || after.delivered != after.scraped || after.scraped < 20 {
		t.Errorf("in the end: %s", after.line())
	}
}

// A scrape that a target has answered and that never reaches the receiver is
// counted as lost.
func TestDemoSeesALoss(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	d, err := openDemo(demoConfig{targets: 2, series: 5, interval: 500 * time.Millisecond}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if status, _ := get(t, client, "http://"+d.bed.Addr()+"/t/0/metrics"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	d.watch(ctx, lineDisplay{t.Output()}, nil)
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if got := d.state(); got.lost != 1 {
		t.Errorf("took one scrape away, and see %s", got.line())
	}
}

// A rate is that of the last seconds, whatever was before.
func TestRateForgets(t *testing.T) {
	var r rate
	start := time.Unix(0, 0)
	f := func(second int, count, want float64) {
		t.Helper()
		if got := r.perSecond(start.Add(time.Duration(second)*time.Second), count); got != want {
			t.Errorf("after %d s: %g, want %g", second, got, want)
		}
	}
	f(0, 100, 0)
	f(1, 110, 10)
	f(2, 110, 5)
	f(4, 110, 2.5)
	f(6, 110, 0)
	f(8, 150, 10)
}

// The screen says in words what the numbers mean.
func TestDemoScreen(t *testing.T) {
	d := demoState{
		elapsed: 83 * time.Second, targets: 50, series: 10050, interval: 2 * time.Second,
		scraped: 2075, delivered: 1500, late: 3, waiting: 575, rate: 5025.4, lag: 256 * time.Millisecond, down: true,
		nodes:  []nodeState{{name: "divvy", rss: 31_400_000, cpu: 0.034, backlog: 1155750}},
		config: "/tmp/demo.alloy", page: "http://127.0.0.1:1/",
	}
	want := strings.Split(strings.TrimPrefix(`
  divvy demo   1m23s

  targets          50   10,050 series, scraped every 2s
  samples       5,025   per second arrive at the receiver

  scrapes
    made          2,075
    delivered     1,500   half of them within 256ms
    waiting         575   ▇▇▇▇▇▇▇▇▇
    late              3   arrived more than 10s after they were made
    lost              0   every scrape has arrived or is safe on disk

  receiver       down   answers 503; scrapes wait on disk. Press r to bring it back

  divvy     backlog 1,155,750 samples; 31.4 MB and 3 % of a core, with targets and receiver

  config  /tmp/demo.alloy
  page    http://127.0.0.1:1/

  q quit   r take the receiver down, or bring it back`, "\n"), "\n")
	if diff := cmp.Diff(want, d.screen()); diff != "" {
		t.Error(diff)
	}
}
