package ckit

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClockIsLaterThanWhatItHeard(t *testing.T) {
	var c Clock
	f := func(heard Time, now, tick Time) {
		t.Helper()
		c.Observe(heard)
		if got := c.Now(); got != now {
			t.Errorf("heard %d: now %d, want %d", heard, got, now)
		}
		if got := c.Tick(); got != tick {
			t.Errorf("heard %d: tick %d, want %d", heard, got, tick)
		}
	}
	f(0, 1, 2)
	f(1, 2, 3)
	f(3, 4, 5)
	f(2, 5, 6)
	f(100, 101, 102)
}

func TestStatesFollowEachOther(t *testing.T) {
	f := func(to State, want string) {
		t.Helper()
		s, first := NewStates("self")
		if first != (Statement{"self", Viewer, 1}) {
			t.Errorf("begins with %v", first)
		}
		got := ""
		for next := Viewer; next <= Terminating; next++ {
			if s.Of("self") == to {
				for _, try := range []State{-1, Viewer, Participant, Terminating, Terminating + 1} {
					before := s.Snapshot()
					if st, err := s.Change(try); err == nil {
						got += st.State.String()
						break
					} else if diff := cmp.Diff(before, s.Snapshot()); diff != "" {
						t.Errorf("refused change leaves %s", diff)
					}
				}
				break
			}
			if _, err := s.Change(s.Of("self") + 1); err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Errorf("after %s: %q, want %q", to, got, want)
		}
	}
	f(Viewer, "participant")
	f(Participant, "terminating")
	f(Terminating, "")
	s, _ := NewStates("self")
	_, err := s.Change(Terminating)
	if want := "change state: terminating cannot follow viewer"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestWhatIsHeard(t *testing.T) {
	f := func(heard Statement, want *Statement, now Time) {
		t.Helper()
		s, _ := NewStates("self") // at 1
		_, _ = s.Change(Participant)
		s.Join("peer")
		s.Hear(Statement{"peer", Participant, 5}) // now at 6
		got, ok := s.Hear(heard)
		if ok != (want != nil) || ok && got != *want {
			t.Errorf("%v: broadcasts %v %v, want %v", heard, got, ok, want)
		}
		if ok && s.said[got.Node] != got {
			t.Errorf("%v: keeps %v", heard, s.said[got.Node])
		}
		if s.Now() != now || s.Of("self") != Participant {
			t.Errorf("%v: %s at %d, want %d", heard, s.Of("self"), s.Now(), now)
		}
	}
	say := func(node string, state State, at Time) *Statement { return &Statement{node, state, at} }
	f(Statement{"peer", Terminating, 4}, nil, 6)
	f(Statement{"peer", Terminating, 5}, nil, 6)
	f(Statement{"peer", Participant, 5}, nil, 6)
	f(Statement{"peer", Terminating, 6}, say("peer", Terminating, 6), 7)
	f(Statement{"peer", Viewer, 9}, say("peer", Viewer, 9), 10) // started anew
	f(Statement{"stranger", Viewer, 0}, say("stranger", Viewer, 0), 6)
	f(Statement{"stranger", Participant, 2}, say("stranger", Participant, 2), 6)
	f(Statement{"self", Viewer, 1}, nil, 6)
	f(Statement{"self", Participant, 2}, nil, 6)
	f(Statement{"self", Viewer, 2}, say("self", Participant, 7), 7)
	f(Statement{"self", Viewer, 8}, say("self", Participant, 10), 10)
	f(Statement{"self", Participant, 8}, say("self", Participant, 10), 10)
}

func TestSnapshotSpeaksOfMembers(t *testing.T) {
	s, _ := NewStates("self")
	s.Join("b")
	s.Join("a")
	s.Hear(Statement{"b", Participant, 7})
	s.Hear(Statement{"stranger", Participant, 3})
	want := Snapshot{8, []Statement{{"a", Viewer, 0}, {"b", Participant, 7}, {"self", Viewer, 1}}}
	if diff := cmp.Diff(want, s.Snapshot()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if v, p := s.Count(Viewer), s.Count(Participant); v != 2 || p != 1 {
		t.Errorf("%d viewers, %d participants", v, p)
	}
	s.Leave("b")
	s.Leave("self")
	want = Snapshot{8, []Statement{{"a", Viewer, 0}, {"self", Viewer, 1}}}
	if diff := cmp.Diff(want, s.Snapshot()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	said := s.Merge(Snapshot{20, []Statement{{"b", Participant, 9}, {"a", Participant, 9}, {"self", Terminating, 9}}})
	if diff := cmp.Diff([]Statement{{"a", Participant, 9}, {"self", Viewer, 22}}, said); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestStrangersAreBounded(t *testing.T) {
	s, _ := NewStates("self")
	for i := range 3 * maxStrangers {
		s.Hear(Statement{fmt.Sprint("stranger ", i), Participant, 1})
	}
	if len(s.said) > maxStrangers+1 {
		t.Errorf("%d statements are kept", len(s.said))
	}
	s.Join("friend")
	if _, ok := s.Hear(Statement{"friend", Participant, 1}); !ok {
		t.Error("a member is not heard")
	}
}

// A history: nodes change their states and are started anew with clocks at 0,
// messages come late, twice, or never. Then all meet, and agree.
func TestTablesConverge(t *testing.T) {
	histories := 300
	if testing.Short() {
		histories = 50
	}
	for seed := range uint64(histories) {
		history(t, seed)
	}
}

func history(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	n := 2 + rnd.IntN(7)
	tables := make([]*States, n)
	var air []Statement // broadcasts, each to be heard by anyone at any time
	fresh := func(i int) {
		var first Statement
		tables[i], first = NewStates(fmt.Sprint("node-", i))
		for j := range n {
			tables[i].Join(fmt.Sprint("node-", j))
		}
		air = append(air, first)
	}
	for i := range n {
		fresh(i)
	}
	for range 50 + rnd.IntN(200) {
		i, j := rnd.IntN(n), rnd.IntN(n)
		switch s := tables[i]; rnd.IntN(10) {
		case 0:
			if st, err := s.Change(s.Of(s.self) + 1); err == nil {
				air = append(air, st)
			}
		case 1:
			if rnd.IntN(10) == 0 {
				fresh(i)
			} else {
				air = append(air, s.Repeat())
			}
		case 2:
			if rnd.IntN(10) == 0 {
				air = append(air, s.Restart())
			}
		case 3:
			air = append(air, s.Merge(tables[j].Snapshot())...)
		default:
			before := s.Now()
			if st, ok := s.Hear(air[rnd.IntN(len(air))]); ok {
				air = append(air, st)
			}
			if s.Now() < before {
				t.Fatalf("seed %d: clock went back", seed)
			}
		}
	}
	for range 2 * n { // everyone meets everyone; every answer to an old life is heard
		for i := range n {
			for j := range n {
				tables[i].Merge(tables[j].Snapshot())
			}
		}
	}
	for i, s := range tables {
		for j, about := range tables {
			name := fmt.Sprint("node-", j)
			if got, want := s.Of(name), about.Of(name); got != want {
				t.Fatalf("seed %d: node-%d holds %s for %s, which is %s", seed, i, got, name, want)
			}
		}
	}
	for i := range n { // nobody has anything more to say
		if said := tables[i].Merge(tables[rnd.IntN(n)].Snapshot()); len(said) > 0 {
			t.Fatalf("seed %d: node-%d still says %v", seed, i, said)
		}
	}
}
