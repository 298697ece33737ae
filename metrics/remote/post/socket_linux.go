package post

import (
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket is read and written without telling the scheduler, since no call
// blocks; the runtime's poller does the waiting. The methods stop at the
// connection's deadlines.
type socket struct {
	conn net.Conn
	raw  syscall.RawConn

	// Of the call that is being made:
	out  *[2][]byte
	in   []byte
	wait bool
	n    int
	err  error

	tryWrite, tryRead, tryPeek func(fd uintptr) bool
}

// newSocket returns the socket of nc, or nil if nc is none.
func newSocket(nc net.Conn) *socket {
	sc, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{conn: nc, raw: raw}
	s.tryWrite, s.tryRead, s.tryPeek = s.writeNow, s.readNow, s.peekNow
	return s
}

// write writes what is in out, and takes away what was written. If wait is not
// set it returns once the socket takes no more.
func (s *socket) write(out *[2][]byte, wait bool) error {
	s.out, s.wait, s.err = out, wait, nil
	err := s.raw.Write(s.tryWrite)
	s.out = nil
	return s.failure("write", err)
}

// read reads at least a byte into in. n is 0 at the end of the connection.
func (s *socket) read(in []byte) (n int, err error) {
	s.in, s.n, s.err = in, 0, nil
	err = s.raw.Read(s.tryRead)
	s.in = nil
	return s.n, s.failure("read", err)
}

// heard reports whether there is something to read, or an end, or a deadline.
func (s *socket) heard() bool {
	s.n, s.err = 0, nil
	err := s.raw.Read(s.tryPeek)
	return err != nil || s.err != syscall.EAGAIN
}

// failure returns the error of a call: err of the poller, or that of the kernel.
func (s *socket) failure(op string, err error) error {
	if err == nil && s.err != nil {
		err = os.NewSyscallError(op, s.err)
	}
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(), Err: err}
}

// writeNow writes as much as the socket takes. It returns false to be called
// again when the socket takes more.
func (s *socket) writeNow(fd uintptr) bool {
	for len(s.out[0])+len(s.out[1]) > 0 {
		n, errno := writev(fd, s.out)
		switch errno {
		case 0:
			for i, b := range s.out {
				cut := min(n, len(b))
				s.out[i], n = b[cut:], n-cut
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			return !s.wait
		default:
			s.err = errno
			return true
		}
	}
	return true
}

// writev writes what is in out with one call.
func writev(fd uintptr, out *[2][]byte) (n int, errno syscall.Errno) {
	var list [2]unix.Iovec
	count := 0
	for _, b := range out {
		if len(b) > 0 {
			list[count].Base = &b[0]
			list[count].SetLen(len(b))
			count++
		}
	}
	r, _, errno := syscall.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&list[0])), uintptr(count))
	return int(r), errno
}

// readNow reads what is there. It returns false to be called again when there
// is something.
func (s *socket) readNow(fd uintptr) bool {
	n, errno := recv(fd, s.in, 0)
	if errno == syscall.EAGAIN {
		return false
	}
	s.n = n
	s.setError(errno)
	return true
}

// peekNow looks whether something is there.
func (s *socket) peekNow(fd uintptr) bool {
	var b [1]byte
	_, errno := recv(fd, b[:], unix.MSG_PEEK)
	s.setError(errno)
	return true
}

// setError notes the error of a call, if it is one.
func (s *socket) setError(errno syscall.Errno) {
	if errno != 0 {
		s.err = errno
	}
}

// recv receives into b, which is not empty.
func recv(fd uintptr, b []byte, flags uintptr) (n int, errno syscall.Errno) {
	for {
		r, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(r), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
