// Package local notices changes of files on this machine.
//
// Notifications of the file system are a hint that makes it fast; looking at
// the file again and again is what makes it certain: they are lost on network
// file systems, on directories that do not exist yet and when the kernel's
// limits are reached. So Watch does both, and whoever is called compares.
//
// Directories are watched, not files, because editors and Kubernetes replace a
// file instead of writing to it:
//
//	key -> ..data/key      ..data -> ..2026_05_01   (swapped by rename)
//
// Invariant: look is called by one goroutine, and not after Watch has returned.
package local

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Config says what to watch.
type Config struct {
	Path  string        // file; it need not exist
	Every time.Duration // look this often in any case; greater than 0
	Poll  bool          // take no notifications
	Log   *slog.Logger
}

const (
	// settle is the rest after a change before the file is looked at, so
	// that what is written in pieces is read once, and whole. While it goes
	// on changing there are more rests, but no more than maxRests.
	settle   = 50 * time.Millisecond
	maxRests = 20

	// maxLinks bounds a chain of symbolic links, as the kernel does.
	maxLinks = 40
)

// Watch calls look whenever the file may have changed, until ctx is done.
func Watch(ctx context.Context, cfg Config, look func()) {
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	events, faults := make(<-chan fsnotify.Event), make(<-chan error)
	var dirs *watchedDirs
	if !cfg.Poll {
		w, err := fsnotify.NewWatcher()
		if err != nil {
			cfg.Log.Warn("no notifications about file, polling instead", "path", cfg.Path, "every", cfg.Every, "err", err)
		} else {
			defer w.Close()
			dirs = &watchedDirs{watcher: w, watched: map[string]bool{}}
			dirs.follow(cfg.Path)
			events, faults = w.Events, w.Errors
		}
	}
	last := stampOf(cfg.Path)
	var quiet <-chan time.Time
	for rests := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-events:
			if quiet == nil {
				quiet = time.After(settle)
			}
			continue
		case <-tick.C:
		case <-faults: // an overflow: something was missed
		case <-quiet:
			quiet = nil
		}
		if now := stampOf(cfg.Path); now != last && rests < maxRests {
			last, quiet = now, time.After(settle)
			rests++
			continue
		}
		rests = 0
		if dirs != nil {
			dirs.follow(cfg.Path)
		}
		look()
	}
}

// A stamp tells whether a file is being written.
type stamp struct {
	size     int64
	modified time.Time
}

// stampOf returns the stamp of the file at path; zero if there is none.
func stampOf(path string) stamp {
	about, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{size: about.Size(), modified: about.ModTime()}
}

// watchedDirs are the directories whose changes may change a file.
type watchedDirs struct {
	watcher *fsnotify.Watcher
	watched map[string]bool
}

// follow watches the directory of path and of everything that it links to,
// and no others. What cannot be watched is tried again at the next call.
func (d *watchedDirs) follow(path string) {
	want := map[string]bool{}
	for range maxLinks {
		want[filepath.Dir(path)] = true
		next, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	for dir := range d.watched {
		if !want[dir] {
			_ = d.watcher.Remove(dir) // it may be gone
			delete(d.watched, dir)
		}
	}
	// A directory that was replaced keeps its name, so each is added again:
	// for one that is watched already that changes nothing.
	for dir := range want {
		if err := d.watcher.Add(dir); err == nil {
			d.watched[dir] = true
		}
	}
}
