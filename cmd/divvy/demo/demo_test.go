package demo

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A script is steps in any order; each mistake in it is named.
func TestScriptNamesMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var s Script
		err := s.Set(text)
		switch {
		case err == nil && s.String() == want:
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: got %q, %v; want %q", text, s.String(), err, want)
		}
	}
	f("5s:add,12s:stop, 20s:kill,1m:receiver", "5s:add,12s:stop,20s:kill,1m0s:receiver")
	f("2s:stop,1s:kill,2s:add", "1s:kill,2s:stop,2s:add")
	f("add", `"add" is not TIME:ACTION, such as 5s:add`)
	f("", "is not TIME:ACTION")
	f("5:add", `"5" is no time after the start, such as 5s`)
	f("-5s:add", "no time after the start")
	f("5s:pause", `"pause" is none of add, stop, kill, receiver`)
}

// What cannot be shown is refused, and everything at once.
func TestConfigNamesFlags(t *testing.T) {
	good := Config{Nodes: 3, Targets: 1, Series: 1, Interval: time.Second}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{Duration: -time.Second}
	err := bad.Validate()
	for _, flag := range []string{"--nodes", "--targets", "--series", "--interval", "--duration"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s is not in %v", flag, err)
		}
	}
}

// A kill explains what went wrong with the killed node's targets until the
// others have noticed, and nothing else.
func TestKillExplainsOnlyItsOwnSlips(t *testing.T) {
	start := time.Unix(1000, 0)
	kills := []kill{{"a", start}}
	f := func(after time.Duration, by string, want bool) {
		t.Helper()
		slip := testbed.Slip{Slot: start.Add(after), By: strings.Fields(by)}
		if got := causedBy(kills, slip, 2*time.Second); got != want {
			t.Errorf("%s after the kill, by %s: got %t", after, by, got)
		}
	}
	f(time.Second, "a", true)
	f(time.Second, "b", false)
	f(time.Second, "b a c", true)
	f(-time.Second, "a a b", true) // caught up: nobody knows that it was served
	f(-3*time.Second, "a", false)
	f(6*time.Second, "a", true)
	f(8*time.Second, "a", false)
}

// testDemo returns a demo without nodes, whose targets are scraped by hand.
func testDemo(t *testing.T) *demo {
	bed, err := testbed.Open(testbed.Config{Fleet: testbed.FleetConfig{Targets: 2, Series: 5}})
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{cfg: Config{Targets: 2, Interval: time.Hour}, bed: bed, client: &http.Client{Transport: &http.Transport{}}, journal: &journal{started: time.Now()}}
	t.Cleanup(d.abort)
	return d
}

// scrape takes a scrape of the first target away, as the given node.
func (d *demo) scrape(t *testing.T, node string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.bed.Addr()+"/t/0/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(testbed.NodeHeader, node)
	res, err := d.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	d.client.CloseIdleConnections()
}

// A scrape that a target has answered and that never arrives is lost, unless it
// was made by a node that was killed afterwards.
func TestLossIsSeen(t *testing.T) {
	d := testDemo(t)
	f := func(wantWaiting, wantKilled, wantLost int64) {
		t.Helper()
		// A scrape is booked a moment after its answer has come.
		for d.bed.Fleet.Answered() != wantWaiting+wantKilled+wantLost && t.Context().Err() == nil {
			runtime.Gosched()
		}
		s := d.state()
		if s.waiting != wantWaiting || s.killed != wantKilled || s.lost != wantLost {
			t.Errorf("waiting %d, killed %d, lost %d; want %d, %d, %d", s.waiting, s.killed, s.lost, wantWaiting, wantKilled, wantLost)
		}
	}
	d.scrape(t, "a")
	f(1, 0, 0)
	d.closed = true
	f(0, 0, 1)
	d.kills = []kill{{"a", time.Now()}}
	f(0, 1, 0)
	d.scrape(t, "b")
	f(0, 1, 1)
	d.scrape(t, "a") // by the process that was started after the kill
	f(0, 1, 2)
}

// The log of a node tells its stage, and a death that everybody finds is told
// once.
func TestJournalFollowsLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file fakeFile
		j := &journal{started: time.Now()}
		a := &logTail{node: "a", journal: j, file: &file}
		b := &logTail{node: "b", journal: j, file: &file}
		write := func(l *logTail, text string) {
			if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
		}
		if got := a.now(); got != "" {
			t.Errorf("stage %q before anything was said", got)
		}
		write(a, `{"msg":"cluster stage","stage":"serving"}`)
		time.Sleep(time.Second)
		write(a, "\nnonsense\n{\"msg\":\"other\"}\n"+`{"msg":"cluster sta`)
		if got := a.now(); got != "serving" {
			t.Errorf("stage %q", got)
		}
		write(a, `ge","stage":"viewing"}`+"\n")
		if got := a.now(); got != "viewing" {
			t.Errorf("stage %q", got)
		}
		death := `{"msg":"node found dead; others serve its share","node":"c","after":"351.2ms"}` + "\n"
		write(a, death)
		write(b, death)
		time.Sleep(time.Minute)
		write(b, death)
		text := " after 350ms; others serve its targets"
		want := []event{
			{time.Second, "a", "serves its share"},
			{time.Second, "c", "found dead by a" + text},
			{61 * time.Second, "c", "found dead by b" + text},
		}
		if diff := cmp.Diff(want, j.all(), cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if got := a.end(); strings.Count(got, "\n") != 4 || !strings.HasSuffix(got, strings.TrimSpace(death)) {
			t.Errorf("end is %s", got)
		}
	})
}

// fakeFile is a log that cannot be written: nobody minds.
type fakeFile struct{}

func (fakeFile) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
func (fakeFile) Close() error              { return nil }

// Metrics with labels are added up; what is no metric is passed over.
func TestSumMetrics(t *testing.T) {
	got, err := sumMetrics(strings.NewReader("# HELP a b 1\na 1\nb{x=\"1 2\"} 2\nb{x=\"}\"} 3e1\n\nnonsense\nc NaNa\n"))
	if diff := cmp.Diff(map[string]float64{"a": 1, "b": 32}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
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
	f(9, 10, 0) // another process
	f(10, 30, 20)
}
