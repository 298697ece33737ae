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
	most := d.highWater()
	t.Logf("memory rose to %d MiB", most)
	if most > 300 && !*racy { // the race detector multiplies it
		t.Error("that is too much")
	}
	d.stop()
	w.complete(100)

	up := w.up()
	for n := range 20 {
		name := fmt.Sprintf("t%04d", n)
		if len(up[name]) < 8 {
			t.Errorf("up of %s came %d times in 10 s", name, len(up[name]))
			continue
		}
		for _, p := range up[name] {
			if n < len(hostile) && p.V != 0 {
				t.Errorf("up of %s is %g", name, p.V)
			}
		}
		if scrapes := len(w.fleet.Scrapes(n)); n >= len(hostile) && scrapes < 8 {
			t.Errorf("%s was scraped %d times in 10 s", name, scrapes)
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
