package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"syscall"
)

// Mem is a disk in memory, for tests. Any number of goroutines may use it.
// Crash and PowerCut return what another process would find.
type Mem struct {
	mu        sync.Mutex
	intercept func(Op) error
	dirs      map[string]bool
	names     map[string]*inode // as the process sees them
	durable   map[string]*inode // as of the last SyncDir
	locks     map[string]bool
}

// inode is the content of a file.
type inode struct {
	data   []byte // as written
	synced []byte // as of the last Sync
}

// NewMem returns an empty disk.
func NewMem() *Mem {
	return &Mem{
		dirs:    map[string]bool{".": true, "/": true},
		names:   map[string]*inode{},
		durable: map[string]*inode{},
		locks:   map[string]bool{},
	}
}

// Intercept has f see each operation before it is done. The error of f, if any,
// is returned instead of doing it; see Short. f must not use the Mem.
func (m *Mem) Intercept(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.intercept = f
}

// start takes m.mu and asks the intercept. The caller unlocks m.mu.
func (m *Mem) start(op Op) error {
	m.mu.Lock()
	if m.intercept == nil {
		return nil
	}
	return failed(op, m.intercept(op))
}

// failed gives an error the operation and the name, as os does.
func failed(op Op, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: err}
}

// find returns the file of op. m.mu is held.
func (m *Mem) find(op Op) (*inode, error) {
	if f := m.names[op.Name]; f != nil {
		return f, nil
	}
	return nil, failed(op, fs.ErrNotExist)
}

// MkdirAll makes dir and its parents.
func (m *Mem) MkdirAll(dir string) error {
	dir = path.Clean(dir)
	err := m.start(Op{Kind: Mkdir, Name: dir})
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	for ; !m.dirs[dir]; dir = path.Dir(dir) {
		if m.names[dir] != nil {
			return failed(Op{Kind: Mkdir, Name: dir}, syscall.ENOTDIR)
		}
		m.dirs[dir] = true
	}
	return nil
}

// List returns the names of the files in dir, sorted.
func (m *Mem) List(dir string) ([]string, error) {
	op := Op{Kind: List, Name: path.Clean(dir)}
	err := m.start(op)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !m.dirs[op.Name] {
		return nil, failed(op, fs.ErrNotExist)
	}
	var names []string
	for name := range m.names {
		if path.Dir(name) == op.Name {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Open opens an existing file for reading.
func (m *Mem) Open(name string) (File, error) {
	op := Op{Kind: Open, Name: path.Clean(name)}
	err := m.start(op)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	f, err := m.find(op)
	if err != nil {
		return nil, err
	}
	return &memFile{m: m, node: f, name: op.Name, readOnly: true}, nil
}

// Create opens a file for reading and writing, and makes it if need be.
func (m *Mem) Create(name string, fresh bool) (File, error) {
	op := Op{Kind: Create, Name: path.Clean(name)}
	err := m.start(op)
	defer m.mu.Unlock()
	f := m.names[op.Name]
	switch {
	case err != nil:
		return nil, err
	case f != nil && fresh, m.dirs[op.Name]:
		return nil, failed(op, fs.ErrExist)
	case !m.dirs[path.Dir(op.Name)]:
		return nil, failed(op, fs.ErrNotExist)
	case f == nil:
		f = &inode{}
		m.names[op.Name] = f
	}
	return &memFile{m: m, node: f, name: op.Name}, nil
}

// Rename gives a file another name; a file of that name is replaced.
func (m *Mem) Rename(old, new string) error {
	op := Op{Kind: Rename, Name: path.Clean(old), To: path.Clean(new)}
	err := m.start(op)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	f, err := m.find(op)
	if err != nil {
		return err
	}
	delete(m.names, op.Name)
	m.names[op.To] = f
	return nil
}

// Remove deletes a file.
func (m *Mem) Remove(name string) error {
	op := Op{Kind: Remove, Name: path.Clean(name)}
	err := m.start(op)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := m.find(op); err != nil {
		return err
	}
	delete(m.names, op.Name)
	return nil
}

// SyncDir makes the names in dir survive PowerCut.
func (m *Mem) SyncDir(dir string) error {
	op := Op{Kind: SyncDir, Name: path.Clean(dir)}
	err := m.start(op)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	in := func(name string, _ *inode) bool { return path.Dir(name) == op.Name }
	maps.DeleteFunc(m.durable, in)
	for name, f := range m.names {
		if in(name, f) {
			m.durable[name] = f
		}
	}
	return nil
}

// Lock takes the lock that name stands for.
func (m *Mem) Lock(name string) (io.Closer, error) {
	op := Op{Kind: Lock, Name: path.Clean(name)}
	err := m.start(op)
	defer m.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case m.locks[op.Name]:
		return nil, fmt.Errorf("lock %s: %w", op.Name, ErrLocked)
	case !m.dirs[path.Dir(op.Name)]:
		return nil, failed(op, fs.ErrNotExist)
	}
	if m.names[op.Name] == nil {
		m.names[op.Name] = &inode{}
	}
	m.locks[op.Name] = true
	return &memLock{m: m, name: op.Name}, nil
}

// memLock is a lock that is held.
type memLock struct {
	m    *Mem
	name string
}

func (l *memLock) Close() error {
	err := l.m.start(Op{Kind: Unlock, Name: l.name})
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return err
}

// memFile is an open file.
type memFile struct {
	m        *Mem
	node     *inode
	name     string
	readOnly bool
	closed   bool // guarded by m.mu
}

// start is Mem's, and fails where the file is closed.
func (f *memFile) start(op Op) error {
	op.Name = f.name
	err := f.m.start(op)
	if f.closed {
		return failed(op, fs.ErrClosed)
	}
	return err
}

// ReadAt reads from off on, as io.ReaderAt says.
func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	err := f.start(Op{Kind: Read, Off: off, Len: len(p)})
	defer f.m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes all of p, or, if the intercept says so, its beginning.
func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	op := Op{Kind: Write, Off: off, Len: len(p)}
	err := f.start(op)
	defer f.m.mu.Unlock()
	if err == nil && f.readOnly {
		err = failed(op, syscall.EBADF)
	}
	var short Short
	if err != nil && (!errors.As(err, &short) || f.closed) {
		return 0, err
	}
	if err != nil {
		p = p[:min(short.N, len(p))]
	}
	if grow := off + int64(len(p)) - int64(len(f.node.data)); grow > 0 && len(p) > 0 {
		f.node.data = append(f.node.data, make([]byte, grow)...)
	}
	return copy(f.node.data[min(off, int64(len(f.node.data))):], p), err
}

// Size returns the length in bytes.
func (f *memFile) Size() (int64, error) {
	err := f.start(Op{Kind: Size})
	defer f.m.mu.Unlock()
	return int64(len(f.node.data)), err
}

// Sync makes what was written survive PowerCut, if the name does.
func (f *memFile) Sync() error {
	err := f.start(Op{Kind: Sync})
	defer f.m.mu.Unlock()
	if err == nil {
		f.node.synced = slices.Clone(f.node.data)
	}
	return err
}

// Close closes the file. A second time is an error.
func (f *memFile) Close() error {
	err := f.start(Op{Kind: Close})
	defer f.m.mu.Unlock()
	f.closed = true
	return err
}
