package demo

import (
	"os/exec"
	"syscall"
)

// tether makes cmd end when this process ends, however that happens, and keeps
// Ctrl-C from it, which is meant for the demo. The kernel watches the thread that
// starts it; those of Go live as long as the process unless they are locked, and
// here none is.
func tether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
