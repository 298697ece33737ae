// Package vfs is the seam between divvy and the disk: the few file operations
// that the log of blocks needs, so that tests can pull the plug.
//
// OS is the real file system. Mem is one in memory that knows, for every byte
// and every name, whether it was only written or also synced, and so can show
// what the disk holds after the process died (everything written) or after the
// machine lost power (what was synced, and any part of the rest).
//
// Invariant: what a crash may leave behind is a prefix, in write order, of what
// each file was given; a write that returned nil survives the death of the
// process. What a power cut may leave is stated at Mem.PowerCut.
//
// Invariant: both file systems pass vfstest.TestFS.
//
// It is not a general file system: no directories inside directories are
// listed, nothing is truncated, no permissions are set.
package vfs

import (
	"errors"
	"io"
)

// ErrLocked says that another process, or another part of this one, holds the
// lock that was asked for.
var ErrLocked = errors.New("in use by another process")

// FS is the disk. Any number of goroutines may use it at the same time. Names
// are paths with slashes; errors match those of io/fs and syscall (ErrNotExist,
// ErrExist, ENOSPC, EROFS, EIO).
type FS interface {
	// MkdirAll makes dir and its parents, and does nothing where they exist.
	MkdirAll(dir string) error
	// List returns the names of the files in dir, sorted, without dir itself.
	List(dir string) ([]string, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// Create opens a file for reading and writing. If it exists, Create fails
	// with ErrExist where fresh is set, and else leaves its content as it is.
	Create(name string, fresh bool) (File, error)
	// Rename gives a file another name in the same directory.
	Rename(old, new string) error
	// Remove deletes a file. Who has it open may go on reading it.
	Remove(name string) error
	// SyncDir makes the names in dir survive a power cut.
	SyncDir(dir string) error
	// Lock takes the lock that name stands for until the Closer is closed or
	// the process dies. An error matches ErrLocked if another holds it.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Reads and writes at different places may happen at the
// same time.
type File interface {
	io.ReaderAt
	// WriteAt is one write(2): what it returned nil for survives kill -9.
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Sync makes what was written before survive a power cut.
	Sync() error
}
