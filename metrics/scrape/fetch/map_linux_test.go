package fetch

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A thousand targets that announce megabytes and then hang cost nothing.
func TestWhatIsOnlyAnnouncedTakesNoMemory(t *testing.T) {
	var p Buffers
	f := func(what string, b []byte, want bool) {
		t.Helper()
		if got := isPresent(t, b[3<<20:cap(b)]); got != want {
			t.Errorf("the end of a buffer that is %s takes memory: %t; want %t", what, got, want)
		}
		p.Put(b)
	}
	f("asked for", p.Get(LargeBytes), true)
	f("grown", p.Grow(append(p.Get(0), "HTTP/1.1 200 OK"...), LargeBytes), false)
}

// isPresent reports whether any page in the middle of b takes memory.
func isPresent(t *testing.T, b []byte) bool {
	t.Helper()
	const page = 1 << 16 // at least
	at := (uintptr(unsafe.Pointer(unsafe.SliceData(b))) + page - 1) &^ (page - 1)
	there := make([]byte, 16)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, at, page, uintptr(unsafe.Pointer(&there[0])))
	if errno != 0 {
		t.Skip(errno)
	}
	return there[0]&1 == 1
}
