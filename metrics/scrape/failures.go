package scrape

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// A failureLog is a file with a line of JSON for each failed scrape. Any number
// of goroutines may use it. Nil is a log that keeps nothing.
type failureLog struct {
	path  string
	outer *slog.Logger // where it is said that the file cannot be written

	mu   sync.Mutex
	file *os.File // nil: not open yet, or closed
	log  *slog.Logger
	done bool // closed, or it could not be opened
}

// newFailureLog returns a log that opens path with the first failure, or nil
// if path is empty.
func newFailureLog(path string, outer *slog.Logger) *failureLog {
	if path == "" {
		return nil
	}
	return &failureLog{path: path, outer: outer}
}

// add logs that a scrape failed. What it is given has no passwords.
func (f *failureLog) add(job, target, reason string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil && !f.done {
		if openErr := f.openLocked(); openErr != nil {
			f.done = true
			f.outer.Error("failed scrapes are not logged", "err", openErr)
		}
	}
	if !f.done {
		f.log.Error(reason, "job_name", job, "target", target)
	}
}

// openLocked opens the file to append to it. It needs mu.
func (f *failureLog) openLocked() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("open scrape failure log: %w", err)
	}
	f.file, f.log = file, slog.New(slog.NewJSONHandler(file, nil))
	return nil
}

// close closes the file; failures are not logged any more.
func (f *failureLog) close() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
}
