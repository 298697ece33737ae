package fetch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapBytes borrows size bytes from the system. present says that they are to
// take memory at once, else each page does when it is written.
func mapBytes(size int, present bool) ([]byte, error) {
	flags := unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	if present {
		flags |= unix.MAP_POPULATE
	}
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	return b, nil
}

// unmapBytes gives them back.
func unmapBytes(b []byte) { _ = unix.Munmap(b) }
