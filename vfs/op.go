package vfs

import "fmt"

// Kind is what an operation does.
type Kind int

// The kinds of operations on a Mem.
const (
	Mkdir Kind = iota
	List
	Open
	Create
	Rename
	Remove
	SyncDir
	Lock
	Unlock
	Read
	Write
	Size
	Sync
	Close
)

var kindNames = [...]string{
	"mkdir", "list", "open", "create", "rename", "remove", "syncdir",
	"lock", "unlock", "read", "write", "size", "sync", "close",
}

// String returns the kind in lower case.
func (k Kind) String() string { return kindNames[k] }

// An Op is one operation on a Mem, as its Intercept sees it.
type Op struct {
	Kind Kind
	Name string // of the file or directory; of an open file, the name that it was opened by
	To   string // Rename's new name
	Off  int64  // of a Read or Write, in bytes
	Len  int    // of a Read or Write, in bytes
}

// Changes reports whether the operation changes what is on the disk. On a disk
// that is read-only, these fail.
func (o Op) Changes() bool {
	switch o.Kind {
	case Mkdir, Create, Rename, Remove, Write:
		return true
	}
	return false
}

// String returns the operation as a line of a transcript.
func (o Op) String() string {
	switch o.Kind {
	case Rename:
		return fmt.Sprintf("rename %s %s", o.Name, o.To)
	case Read, Write:
		return fmt.Sprintf("%s %s %d+%d", o.Kind, o.Name, o.Off, o.Len)
	}
	return fmt.Sprintf("%s %s", o.Kind, o.Name)
}

// Short is an error that makes a Write write its first N bytes and return Err.
// Other operations fail with it.
type Short struct {
	N   int
	Err error
}

// Error returns Err's text.
func (s Short) Error() string { return s.Err.Error() }

// Unwrap returns Err.
func (s Short) Unwrap() error { return s.Err }
