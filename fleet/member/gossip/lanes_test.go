package gossip

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contents returns the payloads of a batch.
func contents(batch []packet) string {
	var all []string
	for _, p := range batch {
		all = append(all, string(p.buf))
	}
	return strings.Join(all, " ")
}

func TestFullLaneDropsItsOldest(t *testing.T) {
	ls := lanes{maxPackets: 3, maxBytes: 100, maxBatch: 100}
	drops := 0
	for _, s := range strings.Fields("1 2 3 4 5") {
		n, start := ls.put("a", packet{buf: []byte(s)})
		drops += n
		if start != (s == "1") {
			t.Errorf("packet %s: start a worker %v", s, start)
		}
	}
	if n, start := ls.put("b", packet{buf: []byte("x")}); n != 0 || !start {
		t.Errorf("other lane: dropped %d, start %v", n, start)
	}
	if got := contents(ls.take("a")); got != "3 4 5" || drops != 2 {
		t.Errorf("lane holds %q after %d drops", got, drops)
	}
	if got := contents(ls.take("b")); got != "x" {
		t.Errorf("other lane holds %q", got)
	}
	if ls.take("a") != nil || ls.take("b") != nil || len(ls.byPeer) != 0 || ls.packets != 0 || ls.bytes != 0 {
		t.Errorf("something is left: %+v", &ls)
	}
}

func TestLanesShareTheirBytes(t *testing.T) {
	ls := lanes{maxPackets: 10, maxBytes: 10, maxBatch: 100}
	f := func(peer, payload string, wantDropped int) {
		t.Helper()
		if n, _ := ls.put(peer, packet{buf: []byte(payload)}); n != wantDropped {
			t.Errorf("%s %q: %d dropped, want %d", peer, payload, n, wantDropped)
		}
	}
	f("a", "12345", 0)
	f("b", "123", 0)
	f("c", "123", 1)         // no room for a newcomer
	f("b", "4567", 1)        // its own oldest gives way
	f("b", "12345678901", 2) // its own, and it does not fit even so
	if got := contents(ls.take("a")) + "," + contents(ls.take("b")); got != "12345," {
		t.Errorf("lanes hold %q", got)
	}
	if ls.packets != 0 || ls.bytes != 0 {
		t.Errorf("counts are off: %+v", &ls)
	}
}

func TestBatchIsBounded(t *testing.T) {
	ls := lanes{maxPackets: 10, maxBytes: 100, maxBatch: 4}
	for _, s := range []string{"12345", "1", "23", "4", "5"} {
		ls.put("a", packet{buf: []byte(s)})
	}
	var got []string
	for b := ls.take("a"); b != nil; b = ls.take("a") {
		got = append(got, contents(b))
	}
	if diff := cmp.Diff([]string{"12345", "1 23 4", "5"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestClearEndsWorkers(t *testing.T) {
	ls := lanes{maxPackets: 10, maxBytes: 100, maxBatch: 4}
	ls.put("a", packet{buf: []byte("1")})
	ls.put("b", packet{buf: []byte("2")})
	if n := ls.clear(); n != 2 || ls.waiting() != 0 || ls.take("a") != nil || ls.take("b") != nil || len(ls.byPeer) != 0 {
		t.Errorf("cleared %d, left %+v", n, &ls)
	}
	if _, start := ls.put("a", packet{buf: []byte("1")}); !start {
		t.Error("a lane that was cleared gets no worker")
	}
}
