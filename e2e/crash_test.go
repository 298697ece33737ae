package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// commitLag is the age from which a scrape is safe from kill -9: 250 ms to be
// committed, and some to come from the target and for the kill to be done.
const commitLag = 350 * time.Millisecond

// Scrapes that were committed before kill -9 arrive after the restart, none
// out of order, and the log opens every time.
func TestKillLosesNothingCommitted(t *testing.T) {
	w := newWorld(t, testbed.FleetConfig{Targets: 40, Series: 500})
	d := w.newDivvy()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(uint64(seed), 0))
	var killed []time.Time
	for i := range *kills {
		w.receiver.SetFault([]testbed.Fault{
			{}, {Status: 500}, {Latency: 100 * time.Millisecond}, {Status: 503, Every: 2},
		}[i%4])
		d.start()
		w.wait(time.Duration(500+rnd.IntN(2500)) * time.Millisecond)
		killed = append(killed, d.kill())
	}
	w.receiver.SetFault(testbed.Fault{})
	d.start()
	w.answered(80)
	d.stop()

	safe := func(s testbed.Scrape) bool {
		for _, at := range killed {
			if s.Time.Before(at.Add(time.Second)) && s.Time.After(at.Add(-commitLag)) {
				return false
			}
		}
		return true
	}
	var lost []testbed.Scrape
	all, late := w.lost(time.Now())
	for _, s := range all {
		if safe(s) {
			lost = append(lost, s)
		}
	}
	r := w.receiver.Report()
	t.Logf("%d scrapes answered, %d too late, %d lost around a kill, %+v", w.fleet.Answered(), late, len(all)-len(lost), r)
	if len(lost) > 0 {
		t.Errorf("%d committed scrapes were lost: %s", len(lost), describe(lost))
	}
	if r.OutOfOrder > 0 {
		t.Errorf("%d scrapes arrived out of order", r.OutOfOrder)
	}
}

// SIGTERM ends divvy within the deadline although the receiver is down, and
// what was left is delivered by the next process.
func TestTermKeepsWhatItCannotDeliver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 10, Series: 100})
	d := w.newDivvy()
	d.args = []string{"--feature.component-shutdown-deadline=2s"}
	d.start()
	w.arrived(10)
	w.down()
	w.answered(50)
	d.signal(syscall.SIGTERM)
	d.ended(10 * time.Second)
	if lost, _ := w.lost(time.Now()); len(lost) == 0 {
		t.Error("nothing was left to deliver: the test shows nothing")
	}
	w.listen()
	d.start()
	w.answered(20)
	d.stop()
	w.complete(80)
}

// Reloading by signal or by HTTP, with and without changes, costs no scrape.
func TestReloadLosesNothing(t *testing.T) {
	t.Parallel()
	w, d := run(t, testbed.FleetConfig{Targets: 20, Series: 200})
	for i := range 8 {
		// Now the scrape changes, now the endpoint, now nothing.
		endpoint := w.endpoint(9009, fmt.Sprintf("    headers = {\"X-Test\" = \"%d\"}\n", i/2%2))
		d.configure(w.config(fmt.Sprintf("  label_limit = %d\n", 100+i/4), endpoint))
		if i%2 == 0 {
			d.signal(syscall.SIGHUP)
		} else if status, body := d.get("/-/reload"); status != http.StatusOK {
			t.Errorf("reload: status %d: %s", status, body)
		}
		w.answered(20)
	}
	d.stop()
	w.complete(160)
}

// A configuration that is wrong is refused with the reason, and what runs
// goes on.
func TestFailedReloadChangesNothing(t *testing.T) {
	t.Parallel()
	w, d := run(t, testbed.FleetConfig{Targets: 5, Series: 50})
	d.configure(w.config("  no_such_argument = 1\n", w.endpoint(9009, "")))
	status, body := d.get("/-/reload")
	if status != http.StatusBadRequest || !strings.Contains(body, "no_such_argument") {
		t.Errorf("reload: status %d: %s", status, body)
	}
	d.signal(syscall.SIGHUP)
	w.answered(20)
	d.stop()
	w.complete(20)
}

// largest returns the largest file below dir.
func largest(t *testing.T, dir string) (name string, size int64) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err == nil && !st.IsDir() && st.Size() > size {
			name, size = path, st.Size()
		}
		return err
	})
	if err != nil || size == 0 {
		t.Fatalf("look for the log in %s: %v", dir, err)
	}
	return name, size
}
