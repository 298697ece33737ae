package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/prometheus/prometheus/model/value"
)

const (
	maxDigits = 18      // that fit a uint64 without overflow
	maxExact  = 1 << 53 // up to which a float64 holds every integer
)

// pow10 holds the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

var errNumber = errors.New("unsupported character in number")

// Number parses a value: what strconv.ParseFloat takes, without hexadecimal
// numbers and underscores. Every NaN gives the same bits, which are not those
// of a staleness marker.
func Number(b []byte) (float64, error) {
	if v, n := decimal(b); n == len(b) && n > 0 {
		return v, nil
	}
	return slowNumber(b)
}

// slowNumber is Number for what decimal does not take.
func slowNumber(b []byte) (float64, error) {
	if bytes.ContainsAny(b, "pP_") {
		return 0, errNumber
	}
	v, err := strconv.ParseFloat(view(b), 64)
	if err != nil {
		return 0, fmt.Errorf("parse value: %w", err)
	}
	if math.IsNaN(v) {
		v = math.Float64frombits(value.NormalNaN)
	}
	return v, nil
}

// view returns the bytes of b as a string without copying them. It is for calls
// that keep neither the string nor a part of it; strconv copies what it puts
// into its errors.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// decimal parses the number at the start of b and returns how many bytes it
// has, or 0 if it is not a plain decimal number or one that needs more than
// one rounding. With a mantissa up to 2^53 and a power of ten up to 22, both operands
// of the one multiplication or division are exact, so its result is the nearest
// float64 (Clinger's fast path).
func decimal(b []byte) (float64, int) {
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i++
	}
	mantissa, exp, n := digits(b[i:])
	if n == 0 {
		return 0, 0
	}
	i += n
	if i < len(b) && b[i]|0x20 == 'e' {
		e, n := exponent(b[i+1:])
		if n == 0 {
			return 0, 0
		}
		exp += e
		i += 1 + n
	}
	v, ok := scale(float64(mantissa), exp)
	if !ok {
		return 0, 0
	}
	if negative {
		v = -v
	}
	return v, i
}

// digits parses digits with or without a point among them, as mantissa·10^exp,
// and returns how many bytes they have. That is 0 if there is no digit, or too
// many for the mantissa to be exact.
func digits(b []byte) (mantissa uint64, exp, n int) {
	i, point := 0, -1
	for ; i < len(b); i++ {
		c := b[i] - '0'
		if c <= 9 {
			mantissa = mantissa*10 + uint64(c)
		} else if b[i] == '.' && point < 0 {
			point = i
		} else {
			break
		}
	}
	count := i
	if point >= 0 {
		count--
		exp = point + 1 - i
	}
	if count == 0 || count > maxDigits || mantissa > maxExact {
		return 0, 0, 0
	}
	return mantissa, exp, i
}

// exponent parses what follows the e and returns how many bytes it has, or 0
// if that is not up to three digits.
func exponent(b []byte) (exp, n int) {
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		n++
	}
	first := n
	for n < len(b) && b[n]-'0' <= 9 {
		exp = exp*10 + int(b[n]-'0')
		if n++; n-first > 3 {
			return 0, 0
		}
	}
	if n == first {
		return 0, 0
	}
	if negative {
		exp = -exp
	}
	return exp, n
}

// scale returns v·10^exp, or false if that takes more than one rounding.
func scale(v float64, exp int) (float64, bool) {
	switch {
	case exp == 0:
		return v, true
	case exp > 0 && exp < len(pow10):
		return v * pow10[exp], true
	case exp < 0 && -exp < len(pow10):
		return v / pow10[-exp], true
	}
	return 0, v == 0
}
