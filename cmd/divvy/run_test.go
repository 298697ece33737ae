package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A lineWaiter is a log in which a test waits for lines.
type lineWaiter struct{ lines chan string }

func (l lineWaiter) Write(p []byte) (int, error) {
	l.lines <- string(p)
	return len(p), nil
}

// await reads lines until one has part.
func (l lineWaiter) await(part string) string {
	for line := range l.lines {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// SIGHUP reloads, SIGTERM stops in order with exit code 0.
func TestSignalsReloadAndStop(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.alloy")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := lineWaiter{make(chan string, 100)}
	code := make(chan int, 1)
	go func() {
		code <- execute([]string{"run", "--server.http.listen-addr=127.0.0.1:0", "--storage.path=" + dir, dir},
			console{in: strings.NewReader(""), out: log, err: log})
	}()
	send := func(s syscall.Signal) {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Error(err)
		}
	}
	log.await("divvy is running")
	send(syscall.SIGHUP)
	log.await("configuration reloaded")
	if err := os.WriteFile(path, []byte("nonsense {"), 0o600); err != nil {
		t.Fatal(err)
	}
	send(syscall.SIGHUP)
	if line := log.await("not reloaded"); !strings.Contains(line, "a.alloy:") {
		t.Errorf("logged %s", line)
	}
	send(syscall.SIGTERM)
	log.await("divvy has stopped")
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

// A hurriedLog sends a signal with the first line, which is written by the first
// load.
type hurriedLog struct {
	lineWaiter
	send func()
}

func (l hurriedLog) Write(p []byte) (int, error) {
	l.send()
	return l.lineWaiter.Write(p)
}

// A hangup while the first load is made does not end the process.
func TestEarlyHangupReloads(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.alloy"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	send := func(s syscall.Signal) {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Error(err)
		}
	}
	log := lineWaiter{make(chan string, 100)}
	hurried := hurriedLog{log, sync.OnceFunc(func() { send(syscall.SIGHUP) })}
	code := make(chan int, 1)
	go func() {
		code <- execute([]string{"run", "--server.http.listen-addr=127.0.0.1:0", "--storage.path=" + dir, dir},
			console{in: strings.NewReader(""), out: log, err: hurried})
	}()
	log.await("configuration reloaded")
	send(syscall.SIGTERM)
	log.await("divvy has stopped")
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

// What the binary was made from can be told in a bug report.
func TestVersionSaysWhatThisIs(t *testing.T) {
	var out bytes.Buffer
	if code := execute([]string{"--version"}, console{out: &out, err: &out}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, part := range []string{"divvy, version v", "commit: ", "build date: ", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("lacks %q:\n%s", part, &out)
		}
	}
}

// A receiver that hangs delays the end by half a minute at most, whatever the
// shutdown deadline is; and draining leaves time to say what is left.
func TestDrainIsBounded(t *testing.T) {
	f := func(deadline, want time.Duration) {
		t.Helper()
		c := Config{ShutdownDeadline: deadline}
		if got := c.drain(); got != want {
			t.Errorf("with a deadline of %s, drain is %s; want %s", deadline, got, want)
		}
	}
	f(10*time.Minute, 30*time.Second)
	f(40*time.Second, 30*time.Second)
	f(20*time.Second, 18*time.Second)
	f(time.Second, 900*time.Millisecond)
}
