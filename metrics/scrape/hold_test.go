package scrape

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// refused returns how many samples of up a receiver refuses that takes none
// older than the newest it has.
func (b *band) refused() (n int) {
	type arrival struct {
		at time.Time
		ms int64
	}
	for _, h := range b.hosts {
		var list []arrival
		for _, p := range b.all {
			p.sink.mu.Lock()
			for _, rec := range p.sink.batches {
				if i := slices.IndexFunc(rec.lines, func(l string) bool { return strings.HasPrefix(l, `{__name__="up", instance="`+h) }); i >= 0 {
					list = append(list, arrival{rec.at.Add(p.sink.lag), stamp(rec.lines[i])})
				}
			}
			p.sink.mu.Unlock()
		}
		slices.SortStableFunc(list, func(x, y arrival) int { return cmp.Compare(x.at.UnixNano(), y.at.UnixNano()) })
		newest := int64(0)
		for _, a := range list {
			if a.ms <= newest {
				n++
			}
			newest = max(newest, a.ms)
		}
	}
	return n
}

// backlog lets everything that a node appends arrive so much later.
func (b *band) backlog(name string, lag time.Duration) {
	sink := b.player(name).sink
	sink.mu.Lock()
	defer sink.mu.Unlock()
	sink.lag = lag
}

// Where the old owner is behind by an interval and more, the new one waits.
func TestABacklogIsNotOvertakenByThePlannedMove(t *testing.T) {
	f := func(what string, move func(b *band), lag time.Duration, lost bool) {
		t.Helper()
		play(t, 40, func(b *band) {
			start := time.Now()
			for _, name := range []string{"a", "b", "c"} {
				b.backlog(name, lag)
			}
			time.Sleep(2 * interval)
			move(b)
			time.Sleep(40 * time.Second)
			b.expectEverySlotOnce(start, time.Now().Add(-time.Second))
			if n := b.refused(); (n > 0) != lost {
				t.Errorf("%s, %s behind: %d samples are refused", what, lag, n)
			}
			if expired := b.metric("divvy_scrape_holds_expired_total"); (expired > 0) != (lag > holdTime) {
				t.Errorf("%s, %s behind: %v holds expired", what, lag, expired)
			}
			if late, most := b.latest(), min(lag, holdTime)+300*time.Millisecond; late > most {
				t.Errorf("%s, %s behind: a batch was appended %s late", what, lag, late)
			}
		})
	}
	join := func(b *band) { b.join("d") }
	leave := func(b *band) {
		b.backlog("b", 0)
		b.backlog("c", 0)
		b.leave("a")
	}
	for _, lag := range []time.Duration{0, 3 * time.Second, 9 * time.Second, 14 * time.Second} {
		f("join", join, lag, false)
		f("leave", leave, lag, false)
	}
	f("join", join, 17*time.Second, true) // beyond the patience
	f("leave", leave, 17*time.Second, true)
}

// latest returns how late the latest batch was appended.
func (b *band) latest() (late time.Duration) {
	synctest.Wait()
	for _, p := range b.all {
		p.sink.mu.Lock()
		for _, rec := range p.sink.batches {
			late = max(late, rec.at.Sub(time.UnixMilli(stamp(rec.lines[0]))))
		}
		p.sink.mu.Unlock()
	}
	return late
}

// Nobody waits for the dead.
func TestNothingIsHeldBackAfterACrash(t *testing.T) {
	play(t, 40, func(b *band) {
		b.crash("a", 2*time.Second)
		time.Sleep(30 * time.Second)
		if late := b.latest(); late > 0 {
			t.Errorf("a batch was appended %s late", late)
		}
	})
}

// A target that goes away while its first samples are held back, a node that
// stops, other rules: everything is appended, in order, before the end.
func TestWhatIsHeldBackIsNeverLost(t *testing.T) {
	f := func(during func(b *band)) {
		t.Helper()
		play(t, 20, func(b *band) {
			for name := range b.players {
				b.backlog(name, time.Hour) // nobody says that it has delivered
			}
			from := b.join("d")
			during(b)
			time.Sleep(40 * time.Second)
			synctest.Wait()
			d := b.all[3]
			d.sink.mu.Lock()
			defer d.sink.mu.Unlock()
			if len(d.sink.batches) == 0 || len(d.sink.faults) > 0 {
				t.Errorf("%d batches, faults %v", len(d.sink.batches), d.sink.faults)
			}
			last := map[string]int64{}
			for _, rec := range d.sink.batches {
				for _, l := range rec.lines {
					series, _, _ := strings.Cut(l, "} ")
					if ms := stamp(l); ms < last[series] || ms < from.UnixMilli() {
						t.Errorf("%s after %d", l, last[series])
					} else {
						last[series] = ms
					}
				}
			}
		})
	}
	f(func(b *band) { time.Sleep(3 * time.Second); b.leave("d") })
	f(func(b *band) { time.Sleep(2 * time.Second); b.player("d").sink.change() })
	f(func(b *band) { time.Sleep(2 * time.Second); b.player("d").pool.SetTargets(nil) })
	f(func(b *band) { time.Sleep(2 * time.Second); b.player("d").pool.SetSink(b.player("d").sink) })
}
