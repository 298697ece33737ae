package queue

import "testing"

// A buffer has room for what it is made for, and takes little more than that.
func TestBuffersFit(t *testing.T) {
	for n := 1; n < 4*bufferQuantum; n += 97 {
		got := roundUp(n)
		if got < n || got > max(2*n, bufferLeast) {
			t.Fatalf("%d bytes get a buffer of %d", n, got)
		}
	}
}
