package kubetest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// A process is one that runs, or has run.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended
}

// launch runs a program until it ends or is killed, and appends what it says to
// a file.
//
// The kernel kills it should this process die first. It does so when the thread
// ends that started it, so one thread stays for that.
func launch(t testing.TB, log string, args ...string) *process {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	return p
}

// ended reports whether p runs no more.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends p and waits for that.
func (p *process) kill() {
	if !p.ended() {
		syscall.Kill(p.pid, syscall.SIGKILL)
	}
	<-p.done
}
