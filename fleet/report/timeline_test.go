package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// lives compares a history of what is known of one life, each a number of
// seconds after noon, and returns the kinds of events with their dates.
func lives(steps ...Peer) string {
	var before []Peer
	var said []string
	for i, p := range steps {
		p.Name, p.Instance = "b", "1"
		after := []Peer{p}
		for _, e := range compare(before, after, at(i)) {
			text := e.Kind
			if !e.Date.IsZero() {
				text += fmt.Sprintf("@%d", int(e.Date.Sub(noon).Seconds()))
			}
			said = append(said, text)
		}
		before = after
	}
	return strings.Join(said, " ")
}

func TestLivesAreTold(t *testing.T) {
	f := func(want string, steps ...Peer) {
		t.Helper()
		if got := lives(steps...); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	viewer, joins, serves := Peer{}, Peer{From: at(3)}, Peer{From: at(0)}
	f("", viewer, viewer)
	f("joining@3 joined@3", viewer, joins, joins, joins, joins)
	f("joined@0", serves, serves)
	f("joined@0 leaving@2 left@2", serves, Peer{From: at(0), Until: at(2)}, Peer{From: at(0), Until: at(2)}, Peer{From: at(0), Until: at(2)})
	f("joining@3 joining@4 joined@4", joins, Peer{From: at(4)}, Peer{From: at(4)}, Peer{From: at(4)}, Peer{From: at(4)}) // the date was moved
	f("joined@0 died@1", serves, serves, Peer{From: at(0), Down: true, DownAt: at(1)})
	f("died@1", viewer, viewer, Peer{Down: true, DownAt: at(1)})
	f("", Peer{Down: true, DownAt: at(-9)}) // dead before it was known, and it never served
	f("joined@0 fenced joining@5 joined@5", serves, viewer, Peer{From: at(5)}, Peer{From: at(5)}, Peer{From: at(5)}, Peer{From: at(5)})
	f("joined@0 left@1", serves, Peer{From: at(0), Until: at(1)}, Peer{From: at(0), Until: at(1)}) // it was announced and came between two looks
	f("conflict", Peer{Displaced: true}, Peer{Displaced: true})
	f("", Peer{Foreign: true, From: at(0)})
}

// What several nodes saw of one thing is one event.
func TestWhatSeveralSawIsOneEvent(t *testing.T) {
	died := Event{At: at(1), Date: at(1), Node: "b", Kind: eventDied, Seen: "a", Moved: 3}
	f := func(want string, lists ...[]Event) {
		t.Helper()
		var said []string
		for _, e := range mergeEvents(lists...) {
			said = append(said, fmt.Sprintf("%d %s %s %s %d", int(e.At.Sub(noon).Seconds()), e.Seen, e.Kind, e.Node, e.Moved))
		}
		if diff := cmp.Diff(want, strings.Join(said, "; ")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	by := func(e Event, seen string, change func(*Event)) Event {
		e.Seen = seen
		if change != nil {
			change(&e)
		}
		return e
	}
	f("")
	f("1 a died b 3", []Event{died}, []Event{by(died, "c", nil)})
	f("1 a died b 3; 9 a died b 3", []Event{died, by(died, "a", func(e *Event) { e.At, e.Date = at(9), at(9) })})
	f("1 a died b 3; 1 a died d 3", []Event{died}, []Event{by(died, "a", func(e *Event) { e.Node = "d" })})
	// Who came later does not know what moved.
	f("1 c died b 3", []Event{by(died, "c", func(e *Event) { e.Moved = -1 })}, []Event{died})
	// Without a date it is a matter of time and of who saw it.
	fenced := Event{At: at(1), Node: "b", Kind: eventFenced, Seen: "a", Moved: 3}
	f("1 a fenced b 3", []Event{fenced}, []Event{by(fenced, "c", func(e *Event) { e.At = at(4) })})
	f("1 a fenced b 3; 4 a fenced b 3", []Event{fenced, by(fenced, "a", func(e *Event) { e.At = at(4) })})
	f("1 a fenced b 3; 40 c fenced b 3", []Event{fenced}, []Event{by(fenced, "c", func(e *Event) { e.At = at(40) })})
	// One that was there before is back for those who remember it.
	joined := Event{At: at(5), Date: at(5), Node: "b", Kind: eventJoined, Seen: "a", Moved: -1}
	f("5 a returned b 2", []Event{joined}, []Event{by(joined, "c", func(e *Event) { e.Kind, e.Moved = eventReturned, 2 })})
}

// The timeline of a town: a node dies, the others say so once, with what moved,
// and each of its targets has a reason for its new owner; then it comes back.
func TestMovesAreExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.know(func(string) []string { return hosts(60) })
		stop := w.run()
		defer stop()
		time.Sleep(7 * time.Second)
		before := w.houses["a"].view.Load()
		died := time.Now().Add(-2 * time.Second).Truncate(time.Millisecond)
		w.change("b", func(p *Peer) { p.Down, p.Gone, p.DownAt = true, true, died }, func(m *owner.Member) { m.Until = died })
		time.Sleep(2 * time.Second)
		moved := 0
		page, err := w.houses["c"].Targets(t.Context(), Query{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Targets {
			was, _ := before.Owner(p.Key, time.Now())
			if was.Name != "b" {
				if p.Previous != "" {
					t.Errorf("%s did not move, and its previous owner is %q", p.URL, p.Previous)
				}
				continue
			}
			moved++
			want := fmt.Sprintf("b died %s, %s is next on the ring", died.Format("15:04:05"), p.Owner)
			if p.Previous != "b" || !p.Since.Equal(died) || p.Why != want {
				t.Errorf("%s: since %s, previous %q, why %q; want %s", p.URL, p.Since, p.Previous, p.Why, want)
			}
		}
		events := w.houses["c"].Events(t.Context())
		deaths := slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Kind != eventDied })
		if len(deaths) != 1 || deaths[0].Moved != moved || !deaths[0].At.Equal(died) {
			t.Errorf("%d targets moved, and there are %+v", moved, deaths)
		}
		back := time.Now().Add(5 * time.Second).Truncate(time.Millisecond)
		w.change("b", func(p *Peer) { *p = Peer{Name: "b", Addr: p.Addr, Instance: "b2", From: back} }, func(m *owner.Member) { m.From, m.Until = back, time.Time{} })
		time.Sleep(time.Second)
		page, _ = w.houses["a"].Targets(t.Context(), Query{Limit: 100})
		announced := 0
		for _, p := range page.Targets {
			if p.Owner == "b" || strings.HasSuffix(p.Why, "; b takes it over at "+back.Format("15:04:05")) {
				announced++
			}
		}
		time.Sleep(6 * time.Second)
		var said []string
		for _, e := range w.houses["a"].Events(t.Context()) {
			if e.Node == "b" {
				said = append(said, fmt.Sprint(e.Kind, " ", e.Moved))
			}
		}
		want := []string{"joined -1", fmt.Sprint("died ", moved), fmt.Sprint("joining ", moved), fmt.Sprint("returned ", moved)}
		if announced != moved || !slices.Equal(said, want) {
			t.Errorf("%d of %d announced; b: %q; want %q", announced, moved, said, want)
		}
	})
}

// change changes what all nodes know of one of them, and its window.
func (w *town) change(name string, peer func(*Peer), member func(*owner.Member)) {
	for _, h := range w.houses {
		h.mu.Lock()
		for i := range h.peers {
			if h.peers[i].Name == name {
				peer(&h.peers[i])
			}
		}
		h.mu.Unlock()
		members := slices.Clone(h.view.Load().Members())
		for i := range members {
			if members[i].Name == name {
				member(&members[i])
			}
		}
		h.view.Set(owner.NewView(members...))
	}
}

func TestOldEventsAreForgotten(t *testing.T) {
	r := New(Config{Self: "a", View: cell.New(owner.Alone("a"))})
	for i := range maxEvents + 10 {
		r.Reloaded(errors.New(fmt.Sprint("mistake ", i)))
	}
	list := r.times.list()
	if len(list) != maxEvents || !strings.HasSuffix(list[0].Text, "mistake 10") || list[0].Kind != eventRefused {
		t.Errorf("%d events, the first: %+v", len(list), list[0])
	}
	if n := r.Node(); len(n.Events) != shownEvents {
		t.Errorf("a node tells of %d", len(n.Events))
	}
}
