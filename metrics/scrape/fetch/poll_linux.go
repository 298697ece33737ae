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

// A poller watches descriptors, and a timer:
//
//	connections ─► fd ─(only in ready)─► outer ─► the runtime's poller
//	                             timer ─┘
//
// Waiting for any of them is waiting for outer. The runtime hears of nothing that
// nobody waits for, and the timer is none of its own: for those its monitor
// thread wakes up, too, and then keeps interrupting what is done.
type poller struct {
	fd     int      // watches connections
	timer  int      // descriptor of the timer
	outer  *os.File // watches both
	raw    syscall.RawConn
	events [maxEvents]syscall.EpollEvent
	list   [maxEvents]int32
	n      int
	call   func(uintptr) bool // look, as raw wants it
	rung   func(uintptr) bool // the same for the timer
}

// open makes the poller.
func (p *poller) open() (err error) {
	p.fd, p.timer = -1, -1
	defer func() {
		if err != nil {
			p.close()
			err = fmt.Errorf("watch connections: %w", err)
		}
	}()
	outer, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(outer, true); err != nil {
		closeDescriptor(outer)
		return err
	}
	p.outer = os.NewFile(uintptr(outer), "epoll")
	if err := p.outer.SetReadDeadline(time.Time{}); err != nil {
		return err // the runtime does not watch it
	}
	if p.raw, err = p.outer.SyscallConn(); err != nil {
		return err
	}
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	p.call = func(uintptr) bool { p.look(); return p.n > 0 }
	var count [8]byte
	p.rung = func(uintptr) bool { n, err := read(p.timer, count[:]); return n > 0 || !errors.Is(err, errWait) }
	return errors.Join(p.join(unix.EPOLL_CTL_ADD, p.timer, unix.EPOLLIN), p.join(unix.EPOLL_CTL_ADD, p.fd, 0))
}

// join has outer watch fd, for events.
func (p *poller) join(op, fd int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	err := error(nil)
	if e := p.raw.Control(func(outer uintptr) { err = unix.EpollCtl(int(outer), op, fd, &ev) }); e != nil {
		return e
	}
	return err
}

// close gives the descriptors back.
func (p *poller) close() {
	for _, fd := range []int{p.fd, p.timer} {
		if fd >= 0 {
			closeDescriptor(fd)
		}
	}
	if p.outer != nil {
		_ = p.outer.Close()
	}
}

// sleep waits for d.
func (p *poller) sleep(d time.Duration) {
	p.setDeadline(time.Time{})
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if err := unix.TimerfdSettime(p.timer, 0, &spec, nil); err != nil {
		return
	}
	_ = p.raw.Read(p.rung)
}

// add begins to watch fd: each time that something comes, or that it ends.
func (p *poller) add(fd int) error {
	const edge = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1)
	ev := syscall.EpollEvent{Events: edge, Fd: int32(fd)}
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch connection: %w", err)
	}
	return nil
}

// remove ends that.
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
	} else if !p.wait() {
		return nil
	}
	for i := range p.n {
		p.list[i] = p.events[i].Fd
	}
	return p.list[:p.n]
}

// wait waits for a connection. It returns false at the deadline, or after an
// interrupt. In between, outer has fd but watches for nothing: to add it anew,
// the kernel would look at every connection.
func (p *poller) wait() bool {
	if err := p.join(unix.EPOLL_CTL_MOD, p.fd, unix.EPOLLIN); err != nil {
		return false
	}
	err := p.raw.Read(p.call)
	return p.join(unix.EPOLL_CTL_MOD, p.fd, 0) == nil && err == nil
}

// setDeadline sets until when ready waits; the zero time: without end.
func (p *poller) setDeadline(t time.Time) { _ = p.outer.SetReadDeadline(t) }

// interrupt ends the wait of ready.
func (p *poller) interrupt() { _ = p.outer.SetReadDeadline(time.Unix(1, 0)) }

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
