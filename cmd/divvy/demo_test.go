package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// divvy returns divvy with args as a process that ends with the test.
func divvy(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asDivvy+"=1")
	return cmd
}

// A node is added, another one stops and one is killed; the demo loses nothing,
// and no slot goes wrong but for the kill.
func TestDemoLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	out, err := divvy(t, "demo", "--duration=30s", "--script=6s:add,13s:stop,21s:kill", "--targets=40", "--series=20").CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	f := func(pattern string) {
		t.Helper()
		if !regexp.MustCompile("(?m)" + pattern).MatchString(text) {
			t.Errorf("output lacks %s", pattern)
		}
	}
	f(`node1 +shows the whole fleet at http://127\.0\.0\.1:\d+/clustering$`)
	f(`node3 +is started$`)
	f(`node4 +is started$`)
	f(`node4 +serves its share$`)
	f(`node4 +has left; its process has ended$`)
	f(`node1 +is killed`)
	f(`node1 +found dead by node[23] after `)
	f(`^\d+ slots of 40 targets in \d+s: 0 missed, 0 doubled. \d+ scrapes: \d+ delivered, 0 late, 0 lost.$`)
	if t.Failed() {
		t.Log(text)
	}
}

// What was scraped while the receiver was down arrives when it is back, at the
// latest when the demo ends.
func TestDemoReceiverDownLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	out, err := divvy(t, "demo", "--nodes=1", "--duration=5s", "--script=0s:receiver,1s:kill,1s:stop", "--targets=5", "--series=20", "--interval=500ms").CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"not killed", "not stopped", " delivered=0 ", " receiver=down ", "the receiver is back", " 0 late, 0 lost."} {
		if !strings.Contains(text, want) {
			t.Errorf("output lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A demo whose node fails says which one and why, and ends.
func TestDemoSaysWhyANodeHasFailed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	var out safeBuffer
	cmd := demoBelow(dir, &out, divvy(t, "demo", "--nodes=1"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, eventually, "the node runs", func() bool { return strings.Contains(out.String(), "node1    serves its share") })
	id, err := strconv.Atoi(nodesBelow(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "Error: node1 has failed (signal: killed); the end of its log:\n{") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// demoBelow makes cmd write its files below dir, and what it says to out.
func demoBelow(dir string, out *safeBuffer, cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// However a demo ends, its nodes end with it, and nothing is left behind.
func TestDemoTakesItsNodesWithIt(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	f := func(sig syscall.Signal, tidy bool) {
		t.Helper()
		dir := t.TempDir()
		var out safeBuffer
		cmd := demoBelow(dir, &out, divvy(t, "demo", "--nodes=2"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		within(t, eventually, "two nodes run", func() bool { return len(nodesBelow(t, dir)) == 2 })
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); (err == nil) != tidy {
			t.Errorf("after %s: %v\n%s", sig, err, out.String())
		}
		within(t, 5*time.Second, "no node runs after "+sig.String(), func() bool { return len(nodesBelow(t, dir)) == 0 })
		left, err := os.ReadDir(dir)
		if err != nil || tidy && len(left) > 0 {
			t.Errorf("%d files are left, %v", len(left), err)
		}
	}
	f(syscall.SIGINT, true)
	f(syscall.SIGKILL, false)
}

// nodesBelow returns the processes that store something below dir.
func nodesBelow(t *testing.T, dir string) (ids []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("needs /proc to find processes")
	}
	for _, e := range entries {
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline") // empty once it has ended
		if err == nil && bytes.Contains(line, []byte("--storage.path="+dir)) {
			ids = append(ids, e.Name())
		}
	}
	return ids
}
