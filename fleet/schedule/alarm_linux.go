package schedule

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kernelTimer is a timer of the kernel's, with a goroutine that waits for it.
type kernelTimer struct {
	fd   int // of file
	file *os.File
	rung chan time.Time // of capacity 1
	done sync.WaitGroup
}

// errOtherTime says that the process has a time of its own, as tests do.
var errOtherTime = errors.New("the kernel's clock is not that of the runtime")

// openKernelTimer returns a timer that is not set. It is of use only where the
// runtime's time is that of the kernel.
func openKernelTimer() (*kernelTimer, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return nil, err
	}
	if time.Since(time.Unix(now.Unix())).Abs() > time.Hour {
		return nil, errOtherTime
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	k := &kernelTimer{fd: fd, file: os.NewFile(uintptr(fd), "timer"), rung: make(chan time.Time, 1)}
	raw, err := k.file.SyscallConn()
	if err == nil {
		err = k.file.SetReadDeadline(time.Time{}) // fails if the runtime does not watch it
	}
	if err != nil {
		return nil, errors.Join(err, k.file.Close())
	}
	k.done.Go(func() { k.ring(raw) })
	return k, nil
}

// set has it ring in d.
func (k *kernelTimer) set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))}
	_ = unix.TimerfdSettime(k.fd, 0, &spec, nil) // only fails for what it is not
}

// ring tells each time that it has rung, until the file is closed.
func (k *kernelTimer) ring(raw syscall.RawConn) {
	for raw.Read(k.rang) == nil {
		select {
		case k.rung <- time.Time{}:
		default:
		}
	}
}

// rang reports whether it has rung since the last call. It does not block, so
// the scheduler need not know.
func (k *kernelTimer) rang(fd uintptr) bool {
	var count [8]byte
	_, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&count[0])), uintptr(len(count)))
	return errno == 0
}

// close ends the goroutine.
func (k *kernelTimer) close() {
	_ = k.file.Close() // nothing was written
	k.done.Wait()
}
