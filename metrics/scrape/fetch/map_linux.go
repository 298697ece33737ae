package fetch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapBytes borrows size bytes from the system. They are made present at once,
// which costs less than one fault for each page.
func mapBytes(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	return b, nil
}

// unmapBytes gives them back.
func unmapBytes(b []byte) { _ = unix.Munmap(b) }
