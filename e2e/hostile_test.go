package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// Targets that answer anything but an exposition are down, and their
// neighbours do not notice.
func TestHostileTargetsHarmNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 20, Series: 100})
	hostile := []testbed.Mode{
		{Kind: testbed.Down}, {Kind: testbed.Failing}, {Kind: testbed.Drip}, {Kind: testbed.Endless},
		{Kind: testbed.Bomb}, {Kind: testbed.Garbage}, {Kind: testbed.OK, Delay: 5 * time.Second},
	}
	for n, m := range hostile {
		w.fleet.SetMode(n, m)
	}
	w.fleet.SetMode(len(hostile), testbed.Mode{Kind: testbed.Shuffled})
	w.fleet.SetMode(len(hostile)+1, testbed.Mode{Kind: testbed.Churn})
	d := w.newDivvy()
	d.start()
	w.wait(10 * time.Second)
	if most := d.highWater(); most > 300 {
		t.Errorf("memory rose to %d MiB", most)
	}
	d.stop()
	w.complete(100)

	health := w.health()
	for n := range 20 {
		name := fmt.Sprintf("t%04d", n)
		if want := n >= len(hostile); health[name] != want {
			t.Errorf("up of %s is %t; want %t", name, health[name], want)
		}
		if n >= len(hostile) {
			w.regular(n, time.Second)
		}
	}
}

// health returns the newest value of up of every target.
func (w *world) health() map[string]bool {
	health := map[string]bool{}
	for name, points := range w.receiver.Series() {
		if !strings.Contains(name, `__name__="up"`) {
			continue
		}
		_, rest, _ := strings.Cut(name, `instance="`)
		instance, _, _ := strings.Cut(rest, `"`)
		for _, p := range points {
			if !p.Stale() {
				health[instance] = p.V == 1
			}
		}
	}
	return health
}

// regular fails the test unless target n was scraped at every interval.
func (w *world) regular(n int, interval time.Duration) {
	w.t.Helper()
	list := w.fleet.Scrapes(n)
	for i := 1; i < len(list); i++ {
		if gap := list[i].Time.Sub(list[i-1].Time); gap > interval*3/2 || gap < interval/2 {
			w.t.Errorf("%s: %s between scrapes %d and %d", list[i].Target, gap, list[i-1].Seq, list[i].Seq)
		}
	}
}

// highWater returns the most memory that the process had, in MiB.
func (d *divvy) highWater() int {
	d.w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.w.t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n / 1024
}
