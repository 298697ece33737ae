package gossip

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A stream is a net.Conn over the two bodies of one HTTP/2 request. Its
// methods may be called at the same time.
//
//	open ──Close, a deadline, the gate, Shutdown──► ended
//
// Unlike a TCP connection, a stream does not outlive a deadline that passed:
// reads and writes, present and future ones, then fail with
// os.ErrDeadlineExceeded. Close lets through what was written before.
type stream struct {
	t             *Transport
	in            *frameReader
	out           func(frame []byte) error // writes and flushes
	local, remote net.Addr

	reading, writing sync.Mutex // held by a Read or Write under way

	mu              sync.Mutex
	err             error // why it ended; nil while it is open
	done            chan struct{}
	readBy, writeBy *time.Timer
}

// newStream returns an open stream over the frames of in and out.
func (t *Transport) newStream(in io.Reader, out func([]byte) error, remote net.Addr) *stream {
	t.meters.streams.Inc()
	return &stream{
		t: t, in: newFrameReader(in, t.cfg.MaxFrame), out: out,
		local: net.TCPAddrFromAddrPort(t.cfg.Advertise), remote: remote,
		done: make(chan struct{}),
	}
}

// end ends the stream with err, unless it has ended. Whoever owns the request
// waits for done and then releases the bodies.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	stop(s.readBy)
	stop(s.writeBy)
	s.t.meters.streams.Dec()
	close(s.done)
}

// ended returns why the stream ended, or nil while it is open.
func (s *stream) ended() error {
	if s.t.stale() {
		s.end(errGate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Read returns payload bytes of the peer's frames. The error is io.EOF once
// the peer has closed, net.ErrClosed after Close, os.ErrDeadlineExceeded after
// a deadline.
func (s *stream) Read(p []byte) (int, error) {
	if err := s.ended(); err != nil {
		return 0, err // does not wait for a gentle end
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.ended(); err != nil {
		return 0, err
	}
	before := s.in.frames
	n, err := s.in.Read(p)
	if ended := s.ended(); ended != nil {
		n, err = 0, ended
	}
	m := s.t.meters
	m.streamRxPackets.Add(float64(s.in.frames - before))
	m.streamRxBytes.Add(float64(n))
	if err != nil && err != io.EOF && !errors.Is(err, net.ErrClosed) {
		m.streamRxFailed.Inc()
	}
	return n, err
}

// Write sends p as one frame, or as several if it is longer than a frame may
// be. Errors are those of Read and of the connection.
func (s *stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for n := 0; n < len(p); {
		piece := p[n:min(len(p), n+s.t.cfg.MaxFrame)]
		err := s.ended()
		if err == nil {
			err = s.out(appendFrame(nil, piece))
		}
		if err != nil {
			s.t.meters.streamTxFailed.Inc()
			if ended := s.ended(); ended != nil {
				err = ended
			}
			return n, err
		}
		s.t.meters.streamTxPackets.Inc()
		s.t.meters.streamTxBytes.Add(float64(len(piece)))
		n += len(piece)
	}
	return len(p), nil
}

// Close ends the stream. It does not wait, and always returns nil.
func (s *stream) Close() error {
	s.end(net.ErrClosed)
	return nil
}

// LocalAddr returns the address that this node advertises.
func (s *stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr returns the peer's address as far as it is known.
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// SetDeadline sets both deadlines.
func (s *stream) SetDeadline(at time.Time) error {
	if err := s.SetReadDeadline(at); err != nil {
		return err
	}
	return s.SetWriteDeadline(at)
}

// SetReadDeadline sets when the stream ends by itself; the zero time: never.
func (s *stream) SetReadDeadline(at time.Time) error { return s.setDeadline(&s.readBy, at) }

// SetWriteDeadline sets when the stream ends by itself; the zero time: never.
func (s *stream) SetWriteDeadline(at time.Time) error { return s.setDeadline(&s.writeBy, at) }

// setDeadline replaces one of the two timers.
func (s *stream) setDeadline(timer **time.Timer, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	stop(*timer)
	*timer = nil
	if !at.IsZero() {
		*timer = time.AfterFunc(time.Until(at), func() { s.end(os.ErrDeadlineExceeded) })
	}
	return nil
}

// stop stops a timer that may be nil.
func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}
