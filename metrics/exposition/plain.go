package exposition

import (
	"encoding/binary"
	"math/bits"
)

// plainBytes is how many bytes Plain looks at: a space, 16 digits, a point, eight
// digits, an exponent and a newline, and room for reads of eight bytes.
const plainBytes = 40

// Plain reads a tail that is a space, a number without a sign and a newline, and
// returns how long it is, or 0 for any other tail, which may be valid all the
// same: that is for Tail. It takes eight digits in one step, whatever their
// number, because a loop over digits ends where no processor can foresee it.
func Plain(b []byte) (v float64, n int) {
	if len(b) < plainBytes || b[0] != ' ' {
		return 0, 0
	}
	mantissa, count := eight(b[1:])
	if count == 8 {
		more, c := eight(b[9:])
		mantissa = mantissa*tens[c] + more
		count += c
	}
	if count == 0 {
		return 0, 0
	}
	n = 1 + count
	if b[n] == '\n' {
		return float64(mantissa), exactly(mantissa, n+1)
	}
	return fraction(b, mantissa, n)
}

// fraction is Plain from the byte behind the integer part.
func fraction(b []byte, mantissa uint64, n int) (float64, int) {
	exp := 0
	if b[n] == '.' {
		n++
		part, c := eight(b[n:])
		mantissa, exp, n = mantissa*tens[c]+part, -c, n+c
		if c == 8 {
			part, c = eight(b[n:])
			mantissa, exp, n = mantissa*tens[c]+part, exp-c, n+c
		}
		if n-2 > maxDigits {
			return 0, 0
		}
	}
	if b[n] == 'e' && b[n+2]-'0' <= 9 && b[n+3]-'0' <= 9 {
		e := int(b[n+2]-'0')*10 + int(b[n+3]-'0')
		switch b[n+1] {
		case '+':
			exp += e
		case '-':
			exp -= e
		default:
			return 0, 0
		}
		n += 4
	}
	v, ok := scale(float64(mantissa), exp)
	if !ok || b[n] != '\n' {
		return 0, 0
	}
	return v, exactly(mantissa, n+1)
}

// exactly returns n, or 0 if a float64 does not hold mantissa.
func exactly(mantissa uint64, n int) int {
	if mantissa > maxExact {
		return 0
	}
	return n
}

// tens holds the powers of ten up to the eighth.
var tens = [9]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// eight reads the digits at the start of b, of which it looks at eight bytes. The
// first step finds the first byte that is no digit, and shifts what comes
// before it to the end; the others add up neighbours: digits, pairs, fours.
func eight(b []byte) (v uint64, count int) {
	v = binary.LittleEndian.Uint64(b) ^ 0x3030303030303030
	other := (v + 0x7676767676767676 | v) & 0x8080808080808080
	count = bits.TrailingZeros64(other) / 8
	v <<= 64 - 8*uint(count)
	v = v*10 + v>>8
	return ((v&0x000000FF000000FF)*0x000F424000000064 + (v>>16&0x000000FF000000FF)*0x0000271000000001) >> 32, count
}
