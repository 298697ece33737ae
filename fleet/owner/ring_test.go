package owner

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
)

// vectors were computed by an independent implementation of the ring.
type vectors struct {
	Tokens map[string]struct {
		First5           []string
		T255, T256, T511 string
		Min, Max         string
	} `json:"ring_tokens"`
	Owners []struct {
		Participants  []string
		TokensPerNode int `json:"tokens_per_node"`
		Lookups       [][2]string
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	b, err := os.ReadFile("testdata/ring.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func hex(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTokensEqualTheVectors(t *testing.T) {
	for name, want := range readVectors(t).Tokens {
		got := tokensOf([]string{name})
		f := func(i int, want string) {
			t.Helper()
			if got[i] != hex(t, want) {
				t.Errorf("token %d of %s is %016x; want %s", i, name, got[i], want)
			}
		}
		for i, w := range want.First5 {
			f(i, w)
		}
		f(255, want.T255)
		f(256, want.T256)
		f(511, want.T511)
		slices.Sort(got)
		f(0, want.Min)
		f(511, want.Max)
	}
}

func TestOwnersEqualTheVectors(t *testing.T) {
	checked := 0
	for _, o := range readVectors(t).Owners {
		if o.TokensPerNode != tokensPerNode {
			continue
		}
		v := viewOf(o.Participants...)
		for _, l := range o.Lookups {
			if m, ok := v.Owner(Key(hex(t, l[0])), time.Now()); !ok || m.Name != l[1] {
				t.Errorf("%v: owner of %s is %q; want %s", o.Participants, l[0], m.Name, l[1])
			}
			checked++
		}
	}
	if checked == 0 {
		t.Fatal("no vectors were checked")
	}
}

func viewOf(names ...string) View {
	members := make([]Member, len(names))
	for i, n := range names {
		members[i].Name = n
	}
	return NewView(members...)
}

// dumbOwner is the ring as one sorted slice, made anew for each question.
func dumbOwner(names []string, key Key) string {
	type token struct {
		at   uint64
		name string
	}
	var ring []token
	for _, n := range names {
		b := []byte(n)
		for t := range 512 {
			b = append(b, byte(t))
			ring = append(ring, token{xxhash.Sum64(b), n})
		}
	}
	sort.Slice(ring, func(i, j int) bool {
		return ring[i].at < ring[j].at || ring[i].at == ring[j].at && ring[i].name < ring[j].name
	})
	i := sort.Search(len(ring), func(i int) bool { return ring[i].at >= uint64(key) })
	return ring[i%len(ring)].name
}

func TestOwnerEqualsTheDumbRing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 9; n++ {
		names := nodeNames(n)
		v := viewOf(names...)
		for range 50 {
			key := Key(rnd.Uint64())
			if m, _ := v.Owner(key, time.Now()); m.Name != dumbOwner(names, key) {
				t.Fatalf("%d nodes: owner of %016x is %s; want %s", n, uint64(key), m.Name, dumbOwner(names, key))
			}
		}
	}
}

func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("node-%d", i)
	}
	return names
}

func TestNobodyOwnsAnythingInAnEmptyView(t *testing.T) {
	if m, ok := (View{}).Owner(1, time.Now()); ok {
		t.Errorf("the zero View names %q", m.Name)
	}
	if m, ok := NewView().Owner(1, time.Now()); ok {
		t.Errorf("an empty View names %q", m.Name)
	}
}

// A node that joins or leaves takes or leaves its own keys; no other key moves.
func TestOnlyKeysOfTheChangedNodeMove(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	joined := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := 2; n <= 8; n++ {
		members := make([]Member, n)
		for i, name := range nodeNames(n) {
			members[i].Name = name
		}
		newcomer := rnd.IntN(n)
		members[newcomer].From = joined
		v := NewView(members...)
		moved := 0
		for range 2000 {
			key := Key(rnd.Uint64())
			before, _ := v.Owner(key, joined.Add(-time.Nanosecond))
			after, _ := v.Owner(key, joined)
			if before.Name == after.Name {
				continue
			}
			moved++
			if after.Name != members[newcomer].Name {
				t.Fatalf("%d nodes: %016x moved from %s to %s", n, uint64(key), before.Name, after.Name)
			}
		}
		if moved == 0 {
			t.Errorf("%d nodes: the newcomer took nothing", n)
		}
	}
}

// A process that is restarted under its name owns the same keys again, each
// life in its own window.
func TestTwoLivesOfANodeShareItsKeys(t *testing.T) {
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	again := end.Add(time.Minute)
	v := NewView(Member{Name: "b"}, Member{Name: "a", From: again}, Member{Name: "a", Until: end})
	for key := range Key(2000) {
		key *= 0x9E3779B97F4A7C15
		old, _ := v.Owner(key, end.Add(-time.Second))
		gap, _ := v.Owner(key, end)
		young, _ := v.Owner(key, again)
		if old.Name != young.Name || gap.Name != "b" {
			t.Fatalf("%016x: %s, then %s, then %s", uint64(key), old.Name, gap.Name, young.Name)
		}
		if old.Name == "a" && (old.Until.IsZero() || young.From.IsZero()) {
			t.Fatalf("%016x: the wrong life of a answered", uint64(key))
		}
	}
}

func BenchmarkOwner100kTargets1000Nodes(b *testing.B) {
	v, now := viewOf(nodeNames(1000)...), time.Now()
	rnd := rand.New(rand.NewPCG(5, 6))
	keys := make([]Key, 100_000)
	for i := range keys {
		keys[i] = Key(rnd.Uint64())
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, k := range keys {
			v.Owner(k, now)
		}
	}
}

func BenchmarkNewView1000Nodes(b *testing.B) {
	names := nodeNames(1000)
	for b.Loop() {
		viewOf(names...)
	}
}

// While a node of other software takes part, owners are those that it knows;
// before and after, and for targets that have one key, they are our own.
func TestForeignKeysCountWhileForeignNodesTakePart(t *testing.T) {
	start := time.Unix(1000, 0)
	v := NewView(Member{Name: "a"}, Member{Name: "b"},
		Member{Name: "x", From: start, Until: start.Add(time.Minute), Peer: true, Foreign: true})
	f := func(key, foreign Key, after time.Duration, want Key) {
		t.Helper()
		if got := v.RingKey(key, foreign, start.Add(after)); got != want {
			t.Errorf("%d, %d after %s: looked up by %d", key, foreign, after, got)
		}
	}
	f(1, 2, -time.Nanosecond, 1)
	f(1, 2, 0, 2)
	f(1, 0, 0, 1)
	f(1, 2, time.Minute, 1)
	if got := Alone("a").RingKey(1, 2, start); got != 1 {
		t.Errorf("alone: looked up by %d", got)
	}
}
