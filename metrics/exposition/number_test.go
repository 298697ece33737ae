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
	checkPlain(t, s, want, ok)
}

// checkPlain checks that Plain takes s for v or not at all, whatever follows.
func checkPlain(t *testing.T, s string, v float64, valid bool) {
	t.Helper()
	for _, next := range []string{"7777777777", "..........", "eeeeeeeeee", "\n\n\n\n\n\n\n\n\n\n", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		got, n := Plain([]byte(" " + s + "\n" + strings.Repeat(next, 4)))
		if n == 0 || strings.Contains(s, "\n") {
			continue
		}
		if !valid || n != len(s)+2 || math.Float64bits(got) != math.Float64bits(v) {
			t.Fatalf("Plain(%q) = %v, %d bytes; want %v, %d, valid: %t", s, got, n, v, len(s)+2, valid)
		}
	}
}

// The numbers that targets show are plain ones, but for signs and long fractions.
func TestUsualNumbersArePlain(t *testing.T) {
	for _, s := range []string{
		"0", "1", "12345678", "123456789", "1234567890123456", "0.5", "1.", "123.456", "0.123456789", "12345678.90123456",
		"1.7e+09", "1.234567e-05", "1e+06", "9007199254740992", "00000000.1",
	} {
		if v, n := Plain([]byte(" " + s + "\n" + strings.Repeat("x", plainBytes))); n != len(s)+2 {
			t.Errorf("Plain(%q) = %v, %d", s, v, n)
		}
	}
}

func BenchmarkTail(b *testing.B) {
	for _, s := range []string{"0", "1004711", "0.25", "12345.678901", "1.7e+09", "0.30000000000000004"} {
		tail := []byte(" " + s + "\n" + strings.Repeat("x", plainBytes))
		b.Run(s, func(b *testing.B) {
			for b.Loop() {
				if _, _, _, err := Tail(tail); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("plain "+s, func(b *testing.B) {
			for b.Loop() {
				Plain(tail)
			}
		})
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
