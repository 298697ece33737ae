package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// bed is where the testbed listens.
const bed = "127.0.0.1:12398"

// startBed starts the testbed on the second core and waits until it answers.
func (p plan) startBed(s scenario) (*exec.Cmd, error) {
	for _, address := range []string{bed, addr} {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return nil, fmt.Errorf("start the testbed: somebody listens at %s already", address)
		}
	}
	args := []string{
		"-addr", bed, "-targets", strconv.Itoa(s.targets), "-series", strconv.Itoa(s.series - 1),
		"-hosts", strconv.Itoa(s.targets), fmt.Sprintf("-gzip=%t", s.gzip),
	}
	cmd := pinned(1, p.cache+"/testbed", append(args, s.bed...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for range 1500 { // a million series take seconds to render
		if resp, err := http.Post("http://"+bed+"/mode?"+s.mode, "", nil); err == nil {
			resp.Body.Close()
			return cmd, nil
		}
		sleep(context.Background(), 20*time.Millisecond)
	}
	stop(cmd)
	return nil, fmt.Errorf("start the testbed: %s does not answer", bed)
}

// start runs c on the first core, on empty storage.
func (p plan) start(s scenario, c collector) (*exec.Cmd, error) {
	dir := p.dir(c)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := p.writeConfig(s, c, 0); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := pinned(0, c.binary, c.args(p.file(c), filepath.Join(dir, "storage"), s)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), c.env...)
	return cmd, cmd.Start()
}

// dir returns where c keeps what it writes.
func (p plan) dir(c collector) string { return filepath.Join(p.cache, "run", c.name) }

// file returns where c finds its configuration.
func (p plan) file(c collector) string { return filepath.Join(p.dir(c), "config") }

// writeConfig writes the configuration of c.
func (p plan) writeConfig(s scenario, c collector, variant int) error {
	text, err := c.configure(s, variant)
	if err != nil {
		return err
	}
	return os.WriteFile(p.file(c), []byte(text), 0o644)
}

// reload gives c another variant of its configuration while it runs.
func (p plan) reload(s scenario, c collector, variant int) error {
	if err := p.writeConfig(s, c, variant); err != nil {
		return err
	}
	resp, err := http.Post("http://"+addr+"/-/reload", "", nil)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("reload: status %s", resp.Status)
	}
	return nil
}

// pinned returns a command that runs on one core only. taskset becomes the
// program, so that its process is the program's.
func pinned(core int, binary string, args ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", strconv.Itoa(core), binary}, args...)...)
}

// stop ends a program and waits for it.
func stop(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		<-done
	}
}

// sleep waits for d, or returns why it was interrupted.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
