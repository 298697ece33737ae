package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// A storageLock keeps other processes from using the same storage path. It
// vanishes with the process, however that ends.
type storageLock struct{ file *os.File }

// errStorageInUse says that another process holds the lock.
var errStorageInUse = errors.New("another divvy uses it")

// lockStorage makes dir and locks it. A dir that cannot be made or written, on
// a full or read-only disk, gives a warning and no lock: divvy then goes on with
// what memory holds. The only error is that another process uses dir.
func lockStorage(dir string, log *slog.Logger) (*storageLock, error) {
	degraded := func(err error) (*storageLock, error) {
		log.Warn("storage path cannot be written; what is not sent yet is lost when divvy stops",
			"path", dir, "err", err)
		return &storageLock{}, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return degraded(err)
	}
	// The lock is advisory and belongs to the open file: it ends with the process,
	// also with kill -9, and leaves nothing to clean up.
	name := filepath.Join(dir, "lock")
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, os.ErrPermission) {
		// A lock on a file that is only read excludes others just as well.
		if file, readErr := os.Open(name); readErr == nil {
			if lockErr := flock(file, dir); lockErr != nil {
				return nil, lockErr
			}
			_, _ = degraded(err)
			return &storageLock{file}, nil
		}
	}
	if err != nil {
		return degraded(err)
	}
	if err := flock(file, dir); err != nil {
		return nil, err
	}
	return &storageLock{file}, nil
}

// flock locks file, or closes it and says who has it.
func flock(file *os.File, dir string) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return nil
	}
	closeErr := file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("lock storage path %s: %w; stop it, or give this one its own --storage.path", dir, errStorageInUse)
	}
	return fmt.Errorf("lock storage path %s: %w", dir, errors.Join(err, closeErr))
}

// Close gives the lock back. The file stays: removing it would race with a
// process that has just opened it.
func (l *storageLock) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
