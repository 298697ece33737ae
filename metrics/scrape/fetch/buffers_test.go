package fetch

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// Large buffers are about as large as asked for, and go back to the system.
func TestLargeBuffersAreBorrowed(t *testing.T) {
	var p Buffers
	b := p.Get(12 << 20)
	if cap(b) < 12<<20 || cap(b) > 13<<20 {
		t.Errorf("capacity %d for 12 MiB", cap(b))
	}
	b = append(b, "text"...)
	b = p.Grow(b, 20<<20)
	if string(b) != "text" {
		t.Errorf("grown to %q", b)
	}
	if len(p.mapped) > 1 {
		t.Errorf("%d buffers are lent", len(p.mapped))
	}
	p.Put(b)
	p.Put(make([]byte, 0, 2<<20)) // of the heap: ignored
	if len(p.mapped) != 0 {
		t.Errorf("%d buffers are still lent", len(p.mapped))
	}
}

// Whatever its size and however it comes, a body is read whole, and no buffer
// that it outgrew is lost.
func TestReadAllGrowsItsBuffer(t *testing.T) {
	var p Buffers
	f := func(size, expected int) {
		t.Helper()
		want := make([]byte, size)
		rand.NewChaCha8([32]byte{1}).Read(want)
		got, err := p.ReadAll(iotest.DataErrReader(bytes.NewReader(want)), p.Get(expected), 64<<20)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %d expected: read %d, %v", size, expected, len(got), err)
		}
		p.Put(got)
		if len(p.mapped) != 0 {
			t.Errorf("%d bytes, %d expected: %d buffers are lost", size, expected, len(p.mapped))
		}
	}
	f(0, 0)
	f(1<<12, 1<<12)
	f(1<<20+1, 0)
	f(5<<20, 2<<20)
	f(5<<20, 5<<20)
	b, err := p.ReadAll(bytes.NewReader(make([]byte, 3<<20)), p.Get(0), 2<<20)
	if !errors.Is(err, ErrBodyLimit) {
		t.Errorf("beyond the limit: %v", err)
	}
	p.Put(b)
}
