package fetch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A poller watches descriptors. Its own is watched by the runtime, so that
// waiting for any of them is waiting for one.
type poller struct {
	file   *os.File
	raw    syscall.RawConn
	fd     int
	events [maxEvents]syscall.EpollEvent
	list   [maxEvents]int32
	call   func(uintptr) bool
	n      int
}

// open makes the poller.
func (p *poller) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch connections: %w", err)
	}
	if err = unix.SetNonblock(fd, true); err == nil {
		p.file, p.fd = os.NewFile(uintptr(fd), "epoll"), fd
		p.raw, err = p.file.SyscallConn()
	}
	if err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails if the runtime does not watch it
	}
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("watch connections: %w", err)
	}
	p.call = func(uintptr) bool { p.look(); return p.n > 0 }
	return nil
}

func (p *poller) close() { _ = p.file.Close() }

// add begins to watch fd: each time that something comes, or that it ends.
func (p *poller) add(fd int) error {
	const edge = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1)
	ev := syscall.EpollEvent{Events: edge, Fd: int32(fd)}
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch connection: %w", err)
	}
	return nil
}

func (p *poller) remove(fd int) {
	_ = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, fd, &syscall.EpollEvent{})
}

// look sets n and the first n of events without waiting.
func (p *poller) look() {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if p.n = int(n); errno != 0 {
		p.n = 0
	}
}

// ready returns the descriptors for which something has come. If wait is set it
// waits for one, until the deadline or an interrupt. The list is valid until the
// next call.
func (p *poller) ready(wait bool) []int32 {
	if p.n = 0; !wait {
		p.look()
	} else if err := p.raw.Read(p.call); err != nil {
		return nil // the deadline, or an interrupt
	}
	for i := range p.n {
		p.list[i] = p.events[i].Fd
	}
	return p.list[:p.n]
}

// setDeadline sets until when ready waits; the zero time: without end.
func (p *poller) setDeadline(t time.Time) { _ = p.file.SetReadDeadline(t) }

// interrupt ends the wait of ready.
func (p *poller) interrupt() { _ = p.file.SetReadDeadline(time.Unix(1, 0)) }

// errWait says that nothing has come yet.
var errWait = errors.New("nothing to read yet")

// read reads from a socket that does not block. n is 0 at its end.
func read(fd int, b []byte) (n int, err error) {
	for {
		r, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(r), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, errWait
		default:
			return 0, errno
		}
	}
}

// write writes to a socket that does not block.
func write(fd int, b []byte) (n int, err error) {
	for {
		r, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(r), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// duplicate returns another descriptor of what fd is.
func duplicate(fd uintptr) (int, error) { return unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3) }

func closeDescriptor(fd int) { _ = unix.Close(fd) }
