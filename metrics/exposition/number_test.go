package exposition

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/value"
)

// dumbNumber is Number in the words of Prometheus' parser.
func dumbNumber(s string) (float64, bool) {
	if strings.ContainsAny(s, "pP_") {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if math.IsNaN(v) {
		v = math.Float64frombits(value.NormalNaN)
	}
	return v, err == nil
}

// checkNumber compares Number with the dumb one, bit by bit.
func checkNumber(t *testing.T, s string) {
	t.Helper()
	got, err := Number([]byte(s))
	want, ok := dumbNumber(s)
	if ok != (err == nil) {
		t.Fatalf("Number(%q) fails with %v; want success: %v", s, err, ok)
	}
	if ok && math.Float64bits(got) != math.Float64bits(want) {
		t.Fatalf("Number(%q) = %v (%x); want %v (%x)", s, got, math.Float64bits(got), want, math.Float64bits(want))
	}
}

func TestNumberEqualsStrconv(t *testing.T) {
	for _, s := range []string{
		"0", "-0", "+0", "1", "-1", "+1.5", ".5", "5.", ".", "-", "+", "", "1e", "1e+", "1e5", "1E-5", "1e22", "1e23",
		"1e-22", "1e-23", "123456789012345678", "9007199254740992", "9007199254740993", "0.1", "0.30000000000000004",
		"1e999", "-1e999", "0e999", "1e-999", "inf", "-Inf", "+infinity", "nan", "NaN", "0x10", "0x1p3", "1_000", "1 ",
		"1.2.3", "--1", "1e5.5", "00000000000000000000001", "4.9406564584124654e-324", "1.7976931348623157e308", "٣",
	} {
		checkNumber(t, s)
	}
}

func TestNumberEqualsStrconvAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	for range n {
		v := math.Float64frombits(r.Uint64())
		checkNumber(t, strconv.FormatFloat(v, "efgG"[r.IntN(4)], -1, 64))
		checkNumber(t, strconv.FormatFloat(float64(r.Int64N(1e9))/math.Pow10(r.IntN(9)), 'f', -1, 64))
		checkNumber(t, strconv.FormatFloat(v, 'e', r.IntN(20), 64))
	}
}

func TestNumbersAndTailsAllocateNothing(t *testing.T) {
	for _, s := range []string{" 1\n", " 0.30000000000000004 1700000000000\n", " +Inf\n", " 1e300\n"} {
		tail := []byte(s)
		if n := testing.AllocsPerRun(100, func() { _, _, _, _ = Tail(tail) }); n != 0 {
			t.Errorf("Tail(%q) allocates %v times", s, n)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "-1.5e-3", "9007199254740993", "NaN", "0x1p3", "1_0", "1e400"} {
		f.Add(s)
	}
	f.Fuzz(checkNumber)
}
