package scrape

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// compressed returns b with gzip.
func compressed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// answer is a target that answers every request with the same bytes.
func answer(b []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) })
}

// Whatever a target answers, its page says what is wrong with it, nothing of it
// is passed on, and the others are not disturbed.
func TestBadTargetsDisturbNobody(t *testing.T) {
	var whole bytes.Buffer
	if err := point(time.Now(), "goroutine", 7).WriteUncompressed(&whole); err != nil {
		t.Fatal(err)
	}
	packed := compressed(whole.Bytes())
	drip := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{0})
			_ = http.NewResponseController(w).Flush()
			pass(time.Second)
		}
	})
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for b := make([]byte, 64<<10); r.Context().Err() == nil; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	cut := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(packed)
	})
	bad := []struct {
		name, want string
		serve      http.Handler
	}{
		{"404", "404 Not Found", http.NotFoundHandler()},
		{"page", "it is text that begins with", answer([]byte("<html><body>login</body></html>"))},
		{"text", "it is text that begins with", answer([]byte("goroutine profile: total 7\n1 @ 0x4"))},
		{"empty", "profile is empty", answer(nil)},
		{"noise", "not a profile", answer(bytes.Repeat([]byte{0xff, 0x01}, 500))},
		{"truncated", "truncated", answer(packed[:len(packed)-9])},
		{"half", "ends in the middle", answer(whole.Bytes()[:whole.Len()/2])},
		{"cut", "unexpected EOF", cut},
		{"bomb", "larger than allowed once", answer(compressed(make([]byte, 5<<20)))},
		{"endless", "larger than allowed", endless},
		{"drip", "goroutine", drip}, // too slow, or not done in time, by turns,
	}
	small := func(c *Config) { c.Limits = Limits{Body: 1 << 20, Profile: 4 << 20} }
	perform(t, len(bad)+8, small, func(b *band) {
		start := time.Now()
		hosts := b.hosts
		for i, x := range bad {
			p := b.processes[hosts[i]]
			p.mu.Lock()
			p.override = x.serve
			p.mu.Unlock()
		}
		pass(6 * interval)
		b.hosts = hosts[len(bad):]
		b.expectWhole(start, time.Now().Add(-2*interval), nil)
		for i, x := range bad {
			for _, kind := range []string{"goroutine", "process_cpu", "memory"} {
				for _, u := range b.of(hosts[i], kind) {
					if u.at.After(start.Add(interval)) {
						t.Errorf("%s: passed on: %+v", x.name, u)
					}
				}
			}
			got := b.shown(hosts[i])
			if got.Health != status.Down || !strings.Contains(got.Err, x.want) || !strings.Contains(got.Err, "goroutine") {
				t.Errorf("%s: %s, %q", x.name, got.Health, got.Err)
			}
		}
	})
}

// shown returns what the owner's page says of a host.
func (b *band) shown(host string) status.Target {
	for _, target := range b.players[b.owner(host)].pool.Targets() {
		if strings.Contains(target.URL, "//"+host) {
			return target
		}
	}
	return status.Target{}
}

// One type of profile that fails leaves the others of its target alone.
func TestOneBadTypeLeavesTheOthers(t *testing.T) {
	perform(t, 3, func(c *Config) {
		c.Types = append(c.Types, Type{Name: "mutex", Path: "/debug/pprof/mutex"}, Type{Name: "mine", Path: "/mine"})
	}, func(b *band) {
		start := time.Now()
		pass(6 * interval)
		b.expectWhole(start, time.Now().Add(-interval), nil)
		got := b.shown(b.hosts[0])
		if got.Health != status.Down || !strings.HasPrefix(got.Err, "mutex, mine: server returned HTTP status 404") {
			t.Errorf("%s: %q", got.Health, got.Err)
		}
	})
}

// Who reads that a target is too slow reads how long it may take.
func TestTimeoutIsSaid(t *testing.T) {
	perform(t, 1, func(c *Config) { c.Types, c.Timeout = c.Types[1:2], 3*time.Second }, func(b *band) {
		p := b.processes[b.hosts[0]]
		p.mu.Lock()
		p.override = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		p.mu.Unlock()
		pass(3 * interval)
		if got := b.shown(b.hosts[0]); !strings.Contains(got.Err, "not done within 3s") {
			t.Errorf("%q", got.Err)
		}
	})
}

// A profile that takes longer than its interval leaves the next slot out.
func TestSlowerThanItsIntervalIsSaid(t *testing.T) {
	perform(t, 1, func(c *Config) { c.Types = c.Types[1:2] }, func(b *band) {
		p := b.processes[b.hosts[0]]
		p.mu.Lock()
		p.override = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			pass(17 * time.Second)
			_ = point(time.Now(), "goroutine", 1).WriteUncompressed(w)
		})
		p.mu.Unlock()
		start := time.Now()
		pass(4 * interval)
		list := b.players[b.owner(b.hosts[0])].pool.Scrapes(owner.TargetKey(b.targets()[0]))
		said := false
		for _, s := range list {
			said = said || strings.Contains(s.Err, "slower than its interval") && s.Slot.After(start)
		}
		if n := len(b.of(b.hosts[0], "goroutine")); !said || n < 3 || b.metric("divvy_profile_slots_missed_total") == 0 {
			t.Errorf("%d profiles; %v", n, list)
		}
	})
}

// After an outage of a target the delta covers all of it.
func TestOutageIsInTheDeltaAfterIt(t *testing.T) {
	play(t, 6, func(b *band) {
		start := time.Now()
		fail := func(h http.Handler) {
			for _, p := range b.processes {
				p.mu.Lock()
				p.override = h
				p.mu.Unlock()
			}
		}
		pass(2 * interval)
		fail(http.NotFoundHandler())
		b.join("d") // the baseline moves while nothing can be had
		pass(2 * interval)
		fail(nil)
		pass(4 * interval)
		for _, h := range b.hosts {
			list, longest := b.of(h, "memory"), time.Duration(0)
			for i, u := range list {
				longest = max(longest, u.took)
				if i > 0 && !u.at.Add(-u.took).Equal(list[i-1].at) || u.value != u.took.Milliseconds() || len(u.comments) > 0 && i > 0 {
					t.Errorf("%s: %+v does not follow %s", h, u, list[max(i-1, 0)].at)
				}
			}
			if longest < 3*interval || list[0].at.After(start) {
				t.Errorf("%s: longest delta is %s", h, longest)
			}
		}
	})
}

// What receivers refuse is lost once, and counted; it does not come later too.
func TestRefusedProfilesAreLostAndCounted(t *testing.T) {
	play(t, 3, func(b *band) {
		b.mu.Lock()
		b.refuse = errors.New("full")
		b.mu.Unlock()
		pass(interval)
		b.mu.Lock()
		b.refuse = nil
		b.mu.Unlock()
		pass(3 * interval)
		for _, h := range b.hosts {
			for _, u := range b.of(h, "memory") {
				if u.took != interval || u.value != u.took.Milliseconds() {
					t.Errorf("%s: %+v", h, u)
				}
			}
		}
		if b.metric("divvy_profile_slots_missed_total") < 6 {
			t.Error("nothing counted")
		}
	})
}

// Receivers that are slow for a while cost no profile, and no target is asked
// late because of them.
func TestSlowReceiversDelayNoSlot(t *testing.T) {
	play(t, 6, func(b *band) {
		start := time.Now()
		b.mu.Lock()
		b.stall = start.Add(20 * time.Second)
		b.mu.Unlock()
		pass(8 * interval)
		for _, h := range b.hosts {
			for _, kind := range []string{"goroutine", "process_cpu"} {
				list := b.of(h, kind)
				for i := 1; i < len(list); i++ {
					if got := list[i].at.Sub(list[i-1].at); got != interval {
						t.Errorf("%s %s: %s between two profiles", h, kind, got)
					}
				}
			}
			list := b.of(h, "memory")
			for i := 1; i < len(list); i++ {
				if !list[i].at.Add(-list[i].took).Equal(list[i-1].at) {
					t.Errorf("%s: %+v does not follow %s", h, list[i], list[i-1].at)
				}
			}
		}
	})
}

// A process that began anew is counted from zero.
func TestRestartedTargetIsCountedFromZero(t *testing.T) {
	perform(t, 1, func(c *Config) { c.Types = c.Types[:1] }, func(b *band) {
		p := b.processes[b.hosts[0]]
		born := time.Now()
		p.mu.Lock()
		p.born = born
		p.mu.Unlock()
		pass(3 * interval)
		list := b.of(b.hosts[0], "memory")
		for _, u := range list {
			if since := u.at.Sub(born); since > 0 && since < interval && u.value != since.Milliseconds() {
				t.Errorf("after the restart: %+v; %s", u, since)
			}
		}
	})
}

func FuzzNote(f *testing.F) {
	f.Add(appendWord(nil, word{key: 1, source: "memory", slot: time.Unix(1, 2), hops: 1, inheritance: inheritance{gap: "x"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		words, err := decodeNote(b)
		if err != nil {
			return
		}
		var again []byte
		for _, w := range words {
			again = appendWord(again, w)
		}
		if _, err := decodeNote(again); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBodiesGiveTheirPlacesBack(t *testing.T) {
	p := newBodies()
	for range 3 * largePlaces {
		b := p.get()
		if err := b.read(t.Context(), io.LimitReader(zeros{}, largeBytes+5), 2*largeBytes); err != nil || len(b.bytes) != largeBytes+5 {
			t.Fatal(len(b.bytes), err)
		}
		p.put(b)
		b = p.get()
		if err := b.read(t.Context(), zeros{}, 2*largeBytes); !errors.Is(err, errBodyLimit) {
			t.Fatal(err)
		}
		p.put(b)
	}
	if len(p.large) != 0 {
		t.Errorf("%d places are taken", len(p.large))
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
