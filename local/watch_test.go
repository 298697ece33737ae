package local

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPollLooksOnItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer cancel()
		looks := 0
		Watch(ctx, Config{Path: "/nowhere/at/all", Every: 10 * time.Second, Poll: true, Log: slog.New(slog.DiscardHandler)}, func() { looks++ })
		if looks != 6 {
			t.Errorf("looked %d times in a minute; want 6", looks)
		}
	})
}

// A file that is being written is read when it is whole.
func TestWritingInPiecesIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		write(t, path, "")
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		go func() {
			time.Sleep(995 * time.Millisecond) // a look falls between the pieces
			for i := range 5 {
				write(t, path, "piece"+strings.Repeat(" piece", i))
				time.Sleep(20 * time.Millisecond)
			}
		}()
		var seen []string
		Watch(ctx, Config{Path: path, Every: time.Second, Poll: true, Log: slog.New(slog.DiscardHandler)}, func() {
			text, _ := os.ReadFile(path)
			seen = append(seen, string(text))
		})
		whole := "piece" + strings.Repeat(" piece", 4)
		if len(seen) != 2 || seen[0] != whole || seen[1] != whole {
			t.Errorf("read %q", seen)
		}
	})
}

// A file that never rests is read all the same.
func TestEndlessWritingIsReadInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		write(t, path, "")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				write(t, path, strings.Repeat("x", n))
				time.Sleep(10 * time.Millisecond)
			}
		})
		looks := 0
		Watch(ctx, Config{Path: path, Every: time.Second, Poll: true, Log: slog.New(slog.DiscardHandler)}, func() { looks++ })
		if looks == 0 {
			t.Error("never read")
		}
	})
}

// watch runs Watch until the test ends and returns what the file holds at
// each look.
func watch(t *testing.T, path string) <-chan string {
	t.Helper()
	seen := make(chan string, 1024)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	wg.Go(func() {
		// The interval is a net below the notifications, in case an event
		// falls between the start of the test and that of the watcher.
		cfg := Config{Path: path, Every: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
		Watch(ctx, cfg, func() {
			text, _ := os.ReadFile(path)
			seen <- string(text)
		})
	})
	return seen
}

func await(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case got := <-seen:
			if got == want {
				return
			}
		case <-timeout:
			t.Fatalf("never read %q", want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWritesAndReplacementsAreSeen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	write(t, path, "one")
	seen := watch(t, path)
	write(t, path, "two")
	await(t, seen, "two")
	write(t, path+".next", "three")
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
	await(t, seen, "three")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, seen, "")
	write(t, path, "four")
	await(t, seen, "four")
}

// Kubernetes swaps a link to a directory by renaming another over it.
func TestSwappedLinksAreSeen(t *testing.T) {
	dir := t.TempDir()
	publish := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "key"), text)
		next := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink(name, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", "one")
	path := filepath.Join(dir, "key")
	if err := os.Symlink(filepath.Join("..data", "key"), path); err != nil {
		t.Fatal(err)
	}
	seen := watch(t, path)
	publish("..2", "two")
	await(t, seen, "two")
	publish("..3", "three")
	await(t, seen, "three")
}

// A link that leads in a circle is a file that cannot be read, not a hang.
func TestCircleOfLinksEnds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.Symlink("a", path); err != nil {
		t.Fatal(err)
	}
	seen := watch(t, path)
	await(t, seen, "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "straight")
	await(t, seen, "straight")
}
