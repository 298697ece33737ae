package inflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// A bitWriter appends bits, the lowest of each byte first.
type bitWriter struct {
	b []byte
	n int // bits written
}

func (w *bitWriter) put(v, count int) {
	for range count {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v&1) << (w.n % 8)
		v >>= 1
		w.n++
	}
}

// randomCode returns lengths of count symbols, of which some have a code: a
// complete one, unless it is spoiled.
func randomCode(r *rand.Rand, count int) []int {
	leaves := []int{0}
	deep := r.IntN(3) == 0
	for want := r.IntN(count + 1); len(leaves) < want; {
		i := r.IntN(len(leaves))
		if deep {
			i = len(leaves) - 1
		}
		if leaves[i] == maxLength {
			deep = false
			continue
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	if len(leaves) == 1 {
		leaves[0] = r.IntN(3)
	}
	lengths := make([]int, count)
	for i, s := range r.Perm(count)[:len(leaves)] {
		lengths[s] = leaves[i]
	}
	if r.IntN(4) == 0 { // too many codes, or too few
		lengths[r.IntN(count)] = r.IntN(maxLength + 1)
	}
	return lengths
}

// randomBlock returns a deflate stream of one block with codes at random,
// followed by symbols at random.
func randomBlock(r *rand.Rand) []byte {
	var w bitWriter
	lits, dists := 257+r.IntN(32), 1+r.IntN(32)
	w.put(1, 1)
	w.put(2, 2)
	w.put(lits-257, 5)
	w.put(dists-1, 5)
	w.put(maxCodes-4, 4)
	for _, s := range codeOrder { // the numbers 0 to 15 have four bits each
		w.put(4-int(s)/16*4, 3)
	}
	for _, n := range append(randomCode(r, lits), randomCode(r, dists)...) {
		w.put(int(bits.Reverse8(uint8(n))>>4), 4)
	}
	for range r.IntN(4000) {
		w.put(int(r.Uint32()), 8)
	}
	return w.b
}

func TestAnyCodeMeansTheSameAsToTheStandardLibrary(t *testing.T) {
	var d Decoder
	inflated := 0
	for seed := range uint64(8000) {
		if testing.Short() && seed == 1000 {
			break
		}
		src := randomBlock(rand.New(rand.NewPCG(seed, 0)))
		rest := bytes.NewReader(src)
		want, wantErr := io.ReadAll(flate.NewReader(rest))
		d.bounds, d.out, d.w, d.start = Bounds{Bytes: maxTest}, d.out[:cap(d.out)], 0, 0
		d.read(src, 0)
		err := d.stream()
		switch {
		case (err == nil) != (wantErr == nil):
			t.Fatalf("seed %d: error %v; compress/flate has %v", seed, err, wantErr)
		case err == nil && d.offset() != len(src)-rest.Len():
			t.Fatalf("seed %d: the stream ends at %d; compress/flate read %d", seed, d.offset(), len(src)-rest.Len())
		case !bytes.HasPrefix(d.out[:d.w], want):
			t.Fatalf("seed %d: other bytes than those of compress/flate", seed)
		case err == nil && len(want) > 0:
			inflated++
		}
	}
	if inflated == 0 {
		t.Error("no code was any good")
	}
	t.Log(inflated, "streams were inflated")
}
