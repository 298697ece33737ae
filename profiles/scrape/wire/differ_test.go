package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

var memoryCounters = []string{"alloc_objects", "alloc_space"}

// encode returns a profile inflated.
func encode(t testing.TB, p *profile.Profile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decode is the inverse of encode.
func decode(t testing.TB, b []byte) *profile.Profile {
	t.Helper()
	p, err := profile.ParseUncompressed(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p
}

// values adds up the values of a profile by stack, as text. Stacks without any
// are left out.
func values(p *profile.Profile) map[string][]int64 {
	out := map[string][]int64{}
	for _, s := range p.Sample {
		var b strings.Builder
		for _, l := range s.Location {
			fmt.Fprintf(&b, "%x", l.Address)
			for _, line := range l.Line {
				fmt.Fprintf(&b, " %s:%d", line.Function.Name, line.Line)
			}
			b.WriteString("; ")
		}
		fmt.Fprint(&b, s.NumLabel, s.Label)
		sum := append([]int64{}, out[b.String()]...)
		if len(sum) == 0 {
			sum = make([]int64, len(s.Value))
		}
		for i, v := range s.Value {
			sum[i] += v
		}
		out[b.String()] = sum
	}
	for text, v := range out {
		if strings.Trim(fmt.Sprint(v), "[0 ]") == "" {
			delete(out, text)
		}
	}
	return out
}

// dumbDelta is what a delta has to be.
func dumbDelta(before, after *profile.Profile, counters int) map[string][]int64 {
	past, out := values(before), map[string][]int64{}
	for text, now := range values(after) {
		v := append([]int64{}, now...)
		for i := range counters {
			if old := past[text]; old != nil {
				v[i] -= old[i]
			}
		}
		if strings.Trim(fmt.Sprint(v), "[0 ]") != "" {
			out[text] = v
		}
	}
	return out
}

// A process is something that allocates.
type process struct {
	r *rand.Rand
	p *profile.Profile
}

func newProcess(seed uint64) *process {
	m := &profile.Mapping{ID: 1, File: "/bin/x", BuildID: "b"}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{
			{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"},
			{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"},
		},
		PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 512,
		DefaultSampleType: "alloc_space", TimeNanos: 1e18, Mapping: []*profile.Mapping{m},
	}
	return &process{r: rand.New(rand.NewPCG(seed, 7)), p: p}
}

// run lets time pass.
func (x *process) run() {
	x.p.TimeNanos += 15e9
	for range x.r.IntN(4) {
		n := uint64(len(x.p.Location) + 1)
		f := &profile.Function{ID: n, Name: fmt.Sprintf("main.f%d", n), Filename: "f.go"}
		g := &profile.Function{ID: n + 1000, Name: fmt.Sprintf("main.inlined%d", n), Filename: "f.go"}
		x.p.Function = append(x.p.Function, f, g)
		lines := []profile.Line{{Function: g, Line: 3}, {Function: f, Line: int64(n)}}
		x.p.Location = append(x.p.Location, &profile.Location{ID: n, Address: 0x1000 + 16*n, Mapping: x.p.Mapping[0], Line: lines})
	}
	for range x.r.IntN(5) {
		if len(x.p.Location) == 0 {
			break
		}
		s := &profile.Sample{Value: make([]int64, 4), NumLabel: map[string][]int64{"bytes": {int64(16 << x.r.IntN(2))}}}
		for range 1 + x.r.IntN(3) {
			s.Location = append(s.Location, x.p.Location[x.r.IntN(len(x.p.Location))])
		}
		x.p.Sample = append(x.p.Sample, s)
	}
	for _, s := range x.p.Sample {
		if x.r.IntN(3) == 0 {
			n := int64(x.r.IntN(100))
			s.Value[0], s.Value[1] = s.Value[0]+n, s.Value[1]+n*s.NumLabel["bytes"][0]
			s.Value[2], s.Value[3] = n/2, n/2*s.NumLabel["bytes"][0]
		}
	}
}

// Deltas are what a dumb twin finds, over the life of many processes, and they
// add up to what the processes did.
func TestDeltasAreWhatWasAdded(t *testing.T) {
	var d Differ
	for seed := range uint64(60) {
		x := newProcess(seed)
		var base Baseline
		before := x.p.Copy()
		for step := range 12 {
			x.run()
			got, err := d.Diff(encode(t, x.p), base, memoryCounters, "")
			if err != nil {
				t.Fatal(err)
			}
			if (got.Profile == nil) != (step == 0) || !got.Counts || got.Restart && step == 0 {
				t.Fatalf("seed %d, step %d: %+v", seed, step, got)
			}
			if step > 0 {
				delta := decode(t, got.Profile)
				if diff := cmp.Diff(dumbDelta(before, x.p, 2), values(delta)); diff != "" {
					t.Fatalf("seed %d, step %d: %s", seed, step, diff)
				}
				if delta.DurationNanos != 15e9 || delta.TimeNanos != x.p.TimeNanos || len(delta.Sample) != got.Kept {
					t.Errorf("took %d at %d with %d samples; kept %d", delta.DurationNanos, delta.TimeNanos, len(delta.Sample), got.Kept)
				}
			}
			if base, err = ParseBaseline(bytes.Clone(got.Baseline)); err != nil {
				t.Fatal(err)
			}
			before = x.p.Copy()
		}
	}
}

// What nothing refers to is not sent.
func TestDeltaLeavesOutWhatIsNotUsed(t *testing.T) {
	x := newProcess(3)
	for len(x.p.Sample) < 40 {
		x.run()
	}
	var d Differ
	first, err := d.Diff(encode(t, x.p), nil, memoryCounters, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range x.p.Sample {
		s.Value[2], s.Value[3] = 0, 0
	}
	x.p.Sample[0].Value[0]++
	whole := encode(t, x.p)
	got, err := d.Diff(whole, first.Baseline, memoryCounters, "the one before is missing")
	if err != nil {
		t.Fatal(err)
	}
	delta := decode(t, got.Profile)
	if got.Kept != 1 || len(delta.Function) > 2*len(x.p.Sample[0].Location) || len(got.Profile) > len(whole)/2 {
		t.Errorf("%d samples, %d functions, %d of %d bytes", got.Kept, len(delta.Function), len(got.Profile), len(whole))
	}
	if len(delta.Comments) != 1 || delta.Comments[0] != "the one before is missing" || delta.DefaultSampleType != "alloc_space" {
		t.Errorf("comments %q, default %q", delta.Comments, delta.DefaultSampleType)
	}
}

// A process that began anew has done what its counters say.
func TestRestartCountsFromZero(t *testing.T) {
	x := newProcess(5)
	for range 20 {
		x.run()
	}
	var d Differ
	before, err := d.Diff(encode(t, x.p), nil, memoryCounters, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range x.p.Sample {
		s.Value[0], s.Value[1] = s.Value[0]/2, s.Value[1]/2
	}
	got, err := d.Diff(encode(t, x.p), before.Baseline, memoryCounters, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values(x.p), values(decode(t, got.Profile))); diff != "" || !got.Restart {
		t.Errorf("restart %t: %s", got.Restart, diff)
	}
}

// Profiles of this very process, as the runtime writes them.
func TestRuntimeProfilesAddUp(t *testing.T) {
	var d Differ
	take := func() []byte {
		var b bytes.Buffer
		if err := pprof.Lookup("allocs").WriteTo(&b, 0); err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if n, size, err := Check(bufio.NewReader(bytes.NewReader(raw))); err != nil || n != len(decode(t, raw).Sample) || size != len(raw) {
			t.Fatalf("checked %d samples in %d of %d bytes: %v", n, size, len(raw), err)
		}
		return raw
	}
	var base Baseline
	var before *profile.Profile
	kept := [][]byte{}
	for step := range 4 {
		for range 100 {
			kept = append(kept, make([]byte, 64<<10))
		}
		raw := take()
		got, err := d.Diff(raw, base, memoryCounters, "")
		if err != nil || got.Restart {
			t.Fatal(got.Restart, err)
		}
		after := decode(t, raw)
		if step > 0 {
			if diff := cmp.Diff(dumbDelta(before, after, 2), values(decode(t, got.Profile))); diff != "" {
				t.Fatalf("step %d: %s", step, diff)
			}
		}
		base, before = got.Baseline, after
	}
	_ = kept
}

// A profile without counters is its own delta.
func TestProfileWithoutCountersIsItsDelta(t *testing.T) {
	x := newProcess(1)
	x.run()
	var d Differ
	got, err := d.Diff(encode(t, x.p), nil, []string{"contentions"}, "")
	if err != nil || got.Counts || got.Profile != nil || got.Baseline != nil || got.Samples != got.Kept {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDamagedProfilesAreRefused(t *testing.T) {
	x := newProcess(2)
	for range 10 {
		x.run()
	}
	whole := encode(t, x.p)
	var d Differ
	f := func(want string, b []byte) {
		t.Helper()
		if _, err := d.Diff(b, nil, memoryCounters, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("delta of %q: %v; want %q", b, err, want)
		}
		if _, _, err := Check(bufio.NewReader(bytes.NewReader(b))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check of %q: %v; want %q", b, err, want)
		}
	}
	f("profile is empty", nil)
	f("it is text that begins with", []byte("heap profile: 1: 2 [3: 4] @ heap/1048576\n"))
	f("it is text that begins with", []byte("<!DOCTYPE html><html><body>404</body></html>"))
	f("not a profile", []byte{0xff, 0xff, 0xff, 1, 2, 3})
	f("ends in the middle", whole[:len(whole)-3])
	f("ends in the middle", whole[:len(whole)/2])
	if _, err := d.Diff(whole, nil, memoryCounters, ""); err != nil {
		t.Errorf("after the damaged ones: %v", err)
	}
}

func TestBaselinesOfOthersAreChecked(t *testing.T) {
	good := newBaseline(2, 1, 1).add(7, []int64{1, 300})
	f := func(b []byte, ok bool) {
		t.Helper()
		if _, err := ParseBaseline(b); (err == nil) != ok {
			t.Errorf("%x: %v", b, err)
		}
	}
	f(nil, true)
	f(good, true)
	f(good[:len(good)-1], false)
	f(good[:baselineHead+3], false)
	f(good[:3], false)
	f(append([]byte{9}, good[1:]...), false)
	f(append([]byte{1, 200}, good[2:]...), false)
}

// Whatever comes, nothing breaks; and what can be read before can be read after.
func FuzzDiff(f *testing.F) {
	for seed := range uint64(4) {
		x := newProcess(seed)
		for range 6 {
			x.run()
		}
		f.Add(encode(f, x.p), []byte(newBaseline(2, 1, 1).add(7, []int64{1, 300})))
	}
	files, _ := filepath.Glob("testdata/*.pb")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte{})
	}
	f.Fuzz(func(t *testing.T, raw, peer []byte) {
		var d Differ
		base, err := ParseBaseline(peer)
		if err != nil {
			base = nil
		}
		_, _, _ = Check(bufio.NewReader(bytes.NewReader(raw)))
		before, err := profile.ParseUncompressed(raw)
		readable := err == nil && before.CheckValid() == nil
		for range 2 {
			got, err := d.Diff(raw, base, memoryCounters, "c")
			if err != nil {
				return
			}
			if readable && got.Profile != nil {
				if _, err := profile.ParseUncompressed(got.Profile); err != nil {
					t.Fatalf("delta cannot be read: %v", err)
				}
			}
			base = got.Baseline
		}
	})
}

func BenchmarkDiff(b *testing.B) {
	x := newProcess(9)
	for len(x.p.Sample) < 2000 {
		x.run()
	}
	var d Differ
	first, err := d.Diff(encode(b, x.p), nil, memoryCounters, "")
	if err != nil {
		b.Fatal(err)
	}
	x.run()
	raw := encode(b, x.p)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Diff(raw, first.Baseline, memoryCounters, ""); err != nil {
			b.Fatal(err)
		}
	}
}
