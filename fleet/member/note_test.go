package member

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// An ear remembers the notes of all nodes of a test.
type ear struct {
	mu    sync.Mutex
	heard []string
}

// of lets a node listen.
func (e *ear) of(c *Config) {
	name := c.Name
	c.Told = func(component, from string, note []byte) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, fmt.Sprintf("%s hears from %s's %s: %s", name, from, component, note))
	}
}

// want fails unless that was heard since the last call, in any order.
func (e *ear) want(t *testing.T, what string, notes ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	slices.Sort(e.heard)
	slices.Sort(notes)
	if !slices.Equal(e.heard, notes) {
		t.Errorf("%s: heard %.200q, want %.200q", what, e.heard, notes)
	}
	e.heard = nil
}

func TestNotesReachTheNodeThatIsMeant(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var e ear
		x, y := b.start("node-0", e.of), b.start("node-1", e.of)
		z := b.start("node-2", nil) // listens to nobody
		b.settles(15*time.Second, "three serve", 3, x, y, z)
		long := strings.Repeat("long", 1<<18)
		x.Tell("nobody", "x", []byte("lost"))
		x.Tell("node-2", "x", []byte("lost"))
		x.Tell("node-1", "m.i/kind.label", []byte("one"))
		y.Tell("node-0", "kind", []byte(long))
		time.Sleep(time.Second)
		synctest.Wait()
		e.want(t, "a second later", "node-1 hears from node-0's m.i/kind.label: one", "node-0 hears from node-1's kind: "+long)
	})
}

// A target that has died during a planned leave is told of until the process
// of its old owner has ended.
func TestNotesReachWhoHasLeft(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var e ear
		x, y := b.start("node-0", e.of), b.start("node-1", e.of)
		b.settles(15*time.Second, "two serve", 2, x, y)
		if err := y.Leave(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) // it finishes its work
		x.Tell("node-1", "c", []byte("still there?"))
		y.Tell("node-0", "c", []byte("yes"))
		time.Sleep(time.Second)
		e.want(t, "after its last slot", "node-1 hears from node-0's c: still there?", "node-0 hears from node-1's c: yes")
		if err := x.sync(b.t.Context(), y.addr); err == nil {
			t.Error("who has left exchanges entries still")
		}
		y.Tell("node-0", "c", []byte("farewell"))
		b.leave(y)
		e.want(t, "at its end", "node-0 hears from node-1's c: farewell")
	})
}

func TestNodesKnowWhatOthersHave(t *testing.T) {
	inBubble(t, func(b *bubble) {
		x, _ := b.start("node-0", nil), b.start("node-1", nil) // which says nothing
		b.start("node-2", func(c *Config) { c.Has = func(component string) bool { return component != "b" } })
		b.settles(15*time.Second, "three serve", 3, b.all()...)
		if got := x.AnyHas(b.t.Context(), []string{"a", "b", "c"}); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("others have %v", got)
		}
	})
}

func TestNotesAreTriedAgain(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var e ear
		x, y := b.start("node-0", e.of), b.start("node-1", e.of)
		b.settles(15*time.Second, "two serve", 2, x, y)
		b.net.Cut(func(string, string) bool { return true })
		x.Tell("node-1", "c", []byte("early"))
		time.Sleep(1500 * time.Millisecond)
		e.want(t, "before")
		b.net.Cut(nil)
		time.Sleep(8 * time.Second)
		e.want(t, "after", "node-1 hears from node-0's c: early")
		b.kill(y)
		b.settles(5*time.Second, "one serves", 1, x)
		if x.Reaches("node-1") || x.Reaches("node-0") {
			t.Error("the dead are reached, or this node itself")
		}
	})
}

// Who leaves because everybody else is gone need not wait for anybody.
func TestLeavingAloneTakesNoTime(t *testing.T) {
	inBubble(t, func(b *bubble) {
		x, y, z := b.start("node-0", nil), b.start("node-1", nil), b.start("node-2", nil)
		b.settles(15*time.Second, "three serve", 3, x, y, z)
		b.kill(y)
		b.kill(z)
		b.settles(5*time.Second, "one serves", 1, x)
		begin := time.Now()
		b.leave(x)
		if took := time.Since(begin); took > 500*time.Millisecond {
			t.Errorf("leaving took %s", took)
		}
		if x.Stage() != roster.Left {
			t.Error(x.Stage())
		}
	})
}

// Who tells more than can be sent is not kept waiting.
func TestTooManyNotesAreDropped(t *testing.T) {
	n := startWith(t, "a", nil)
	n.cancel()
	<-n.done // nobody sends
	for range maxNotes + 10 {
		n.Tell("b", "c", nil)
	}
	if len(n.notes) != maxNotes {
		t.Errorf("%d notes wait", len(n.notes))
	}
}
