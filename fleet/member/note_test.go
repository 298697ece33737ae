package member

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNotesReachTheNodeThatIsMeant(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	told := make(chan string, 100)
	hear := func(name string) func(c *Config) {
		return func(c *Config) {
			c.Told = func(component, from string, note []byte) {
				told <- fmt.Sprintf("%s hears from %s's %s: %s", name, from, component, note)
			}
		}
	}
	a := startWith(t, "a", hear("a"))
	b := startWith(t, "b", hear("b"), a.addr)
	c := startWith(t, "c", nil, a.addr) // listens to nobody
	within(t, 15*time.Second, "three serve", agree(3, a, b, c))
	a.Tell("nobody", "x", []byte("lost"))
	a.Tell("c", "x", []byte("lost"))
	a.Tell("b", "m.i/kind.label", []byte("one"))
	b.Tell("a", "kind", []byte(strings.Repeat("long", 1<<18)))
	want := map[string]bool{
		"b hears from a's m.i/kind.label: one":                    true,
		"a hears from b's kind: " + strings.Repeat("long", 1<<18): true,
	}
	timeout := time.After(10 * time.Second)
	for len(want) > 0 {
		select {
		case got := <-told:
			if !want[got] {
				t.Errorf("%.200s", got)
			}
			delete(want, got)
		case <-timeout:
			t.Fatalf("%d notes did not come", len(want))
		}
	}
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
