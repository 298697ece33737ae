// Package vfstest holds the promises of vfs.FS as a test that each
// implementation passes.
package vfstest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"testing"

	"github.com/divvy-collector/divvy/vfs"
)

// TestFS checks fsys, using the directory dir, whose parent exists and which
// does not.
func TestFS(t *testing.T, fsys vfs.FS, dir string) {
	s := suite{T: t, fs: fsys, dir: path.Join(dir, "deep")}
	t.Run("MissingThingsAreErrNotExist", func(t *testing.T) { s.with(t).missing() })
	s.ok(fsys.MkdirAll(s.dir))
	s.ok(fsys.MkdirAll(s.dir))
	t.Run("WritesAreReadBackThroughAnyFile", func(t *testing.T) { s.with(t).readBack() })
	t.Run("CreateFreshRefusesAnExistingFile", func(t *testing.T) { s.with(t).fresh() })
	t.Run("NamesFollowRenameAndRemove", func(t *testing.T) { s.with(t).names() })
	t.Run("RemovedFileIsReadable", func(t *testing.T) { s.with(t).removed() })
	t.Run("ClosedFileFails", func(t *testing.T) { s.with(t).closed() })
	t.Run("LockHasOneHolder", func(t *testing.T) { s.with(t).lock() })
}

// suite is a test with a file system.
type suite struct {
	*testing.T
	fs  vfs.FS
	dir string
}

func (s suite) with(t *testing.T) suite {
	s.T = t
	return s
}

func (s suite) path(name string) string { return path.Join(s.dir, name) }

// ok fails the test if err is not nil.
func (s suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is fails the test if err does not match want.
func (s suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("error is %v; want %v", err, want)
	}
}

// make writes a file and closes it.
func (s suite) make(name, content string) {
	s.Helper()
	f, err := s.fs.Create(s.path(name), true)
	s.ok(err)
	_, err = f.WriteAt([]byte(content), 0)
	s.ok(err)
	s.ok(f.Sync())
	s.ok(f.Close())
	s.ok(s.fs.SyncDir(s.dir))
}

// content fails the test if f does not hold want.
func (s suite) content(f vfs.File, want string) {
	s.Helper()
	n, err := f.Size()
	s.ok(err)
	b := make([]byte, n)
	_, err = f.ReadAt(b, 0)
	if err != io.EOF {
		s.ok(err)
	}
	if string(b) != want {
		s.Fatalf("file holds %q; want %q", b, want)
	}
}

func (s suite) missing() {
	_, err := s.fs.List(s.dir)
	s.is(err, fs.ErrNotExist)
	_, err = s.fs.Create(s.path("a"), false)
	s.is(err, fs.ErrNotExist)
	_, err = s.fs.Open(s.path("a"))
	s.is(err, fs.ErrNotExist)
	s.is(s.fs.Rename(s.path("a"), s.path("b")), fs.ErrNotExist)
	s.is(s.fs.Remove(s.path("a")), fs.ErrNotExist)
	_, err = s.fs.Lock(s.path("lock"))
	s.is(err, fs.ErrNotExist)
}

func (s suite) readBack() {
	f, err := s.fs.Create(s.path("rw"), true)
	s.ok(err)
	other, err := s.fs.Open(s.path("rw"))
	s.ok(err)
	write := func(text string, off int64, want string) {
		s.Helper()
		n, err := f.WriteAt([]byte(text), off)
		s.ok(err)
		if n != len(text) {
			s.Fatalf("wrote %d of %d bytes", n, len(text))
		}
		s.content(f, want)
		s.content(other, want)
	}
	write("hello", 0, "hello")
	write(" you", 5, "hello you")
	write("J", 0, "Jello you")
	write("!", 12, "Jello you\x00\x00\x00!") // a hole reads as zeros
	_, err = other.WriteAt([]byte("x"), 0)
	if err == nil {
		s.Fatal("wrote through a file that was opened for reading")
	}
	b := make([]byte, 4)
	n, err := f.ReadAt(b, 11)
	if n != 2 || err != io.EOF || !bytes.Equal(b[:n], []byte("\x00!")) {
		s.Fatalf("read at the end: %d, %v, %q", n, err, b)
	}
	if n, err := f.ReadAt(b, 99); n != 0 || err != io.EOF {
		s.Fatalf("read behind the end: %d, %v", n, err)
	}
	s.ok(f.Sync())
	s.ok(errors.Join(f.Close(), other.Close(), s.fs.Remove(s.path("rw"))))
}

func (s suite) fresh() {
	s.make("f", "old")
	_, err := s.fs.Create(s.path("f"), true)
	s.is(err, fs.ErrExist)
	f, err := s.fs.Create(s.path("f"), false)
	s.ok(err)
	s.content(f, "old")
	s.ok(errors.Join(f.Close(), s.fs.Remove(s.path("f"))))
}

func (s suite) names() {
	list := func(want ...string) {
		s.Helper()
		names, err := s.fs.List(s.dir)
		s.ok(err)
		if !slices.Equal(names, want) {
			s.Fatalf("directory holds %q; want %q", names, want)
		}
	}
	list()
	s.make("b", "B")
	s.make("a", "A")
	list("a", "b")
	s.ok(s.fs.Rename(s.path("a"), s.path("c")))
	list("b", "c")
	s.ok(s.fs.Rename(s.path("c"), s.path("b"))) // replaces
	list("b")
	f, err := s.fs.Open(s.path("b"))
	s.ok(err)
	s.content(f, "A")
	s.ok(errors.Join(f.Close(), s.fs.Remove(s.path("b"))))
	list()
}

func (s suite) removed() {
	s.make("f", "still here")
	f, err := s.fs.Open(s.path("f"))
	s.ok(err)
	s.ok(s.fs.Remove(s.path("f")))
	s.content(f, "still here")
	s.ok(f.Close())
}

func (s suite) closed() {
	f, err := s.fs.Create(s.path("f"), true)
	s.ok(err)
	s.ok(f.Close())
	_, err = f.WriteAt([]byte("x"), 0)
	s.is(err, fs.ErrClosed)
	_, err = f.ReadAt(make([]byte, 1), 0)
	s.is(err, fs.ErrClosed)
	s.is(f.Sync(), fs.ErrClosed)
	s.is(f.Close(), fs.ErrClosed)
	s.ok(s.fs.Remove(s.path("f")))
}

func (s suite) lock() {
	a, err := s.fs.Lock(s.path("lock"))
	s.ok(err)
	_, err = s.fs.Lock(s.path("lock"))
	s.is(err, vfs.ErrLocked)
	s.ok(a.Close())
	b, err := s.fs.Lock(s.path("lock"))
	s.ok(err)
	s.ok(b.Close())
}
