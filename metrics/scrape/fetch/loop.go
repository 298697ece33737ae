package fetch

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/divvy-collector/divvy/metrics/plainhttp"
)

// gather is how long the answers to a tick's requests are awaited before the
// first is read. Waking once for all of them is cheaper than once for each.
const gather = time.Millisecond

// maxIdle is how long a connection may be idle before it is closed.
const maxIdle = 5 * time.Minute

// maxEvents is how many connections are looked at in one go.
const maxEvents = 128

// Dial connects to a target, like net.Dialer.DialContext.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// A Loop gets pages. Any number of goroutines may call Get.
type Loop struct {
	depot *Depot
	dial  Dial
	quiet func() // told by run that all answers have been handed over
	poll  poller
	ended chan struct{}  // closed when run has returned
	dials sync.WaitGroup // goroutines that connect

	mu      sync.Mutex // guards what follows
	started bool       // run is, or was
	waiting bool       // run is in poll.ready, or about to be
	closed  bool       // nothing is taken any more
	queue   []sending
	idle    map[string][]*conn // by address; the one used last at the end

	// Of run alone:
	open     map[int32]*conn // by descriptor; with idle ones
	busy     int             // connections with a request on its way
	answers  int             // since quiet was called
	stalled  []*conn         // those that wait for a place for a large body
	deadline time.Time       // no request on its way has an earlier one
	swept    time.Time       // when idle connections were looked at
	scratch  []byte
}

// A sending is a request with the connection to write it to.
type sending struct {
	r    *Request
	c    *conn
	used bool // c has had a request before
}

// A conn is one connection. Only run uses it, but for since, while it is idle.
type conn struct {
	fd    int
	addr  string
	since time.Time // when it became idle

	r     *Request // nil: it is idle
	used  bool     // r is not its first request
	buf   []byte   // of the answer so far: head, body, and what is not decoded yet
	large bool     // buf has a place
	head  head
	body  int // where the body begins in buf; 0: the head is not complete
	end   int // where the body ends so far
	chunk plainhttp.Chunks
}

// New returns a Loop to which depot lends buffers. Its goroutine starts with
// the first connection; it calls quiet each time that it has handed over the
// last answer that was awaited.
func New(depot *Depot, dial Dial, quiet func()) *Loop {
	return &Loop{
		depot: depot, dial: dial, quiet: quiet, ended: make(chan struct{}),
		idle: map[string][]*conn{}, open: map[int32]*conn{}, swept: time.Now(),
	}
}

// Get asks for a page. It returns at once; r must not be changed any more.
func (l *Loop) Get(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.dials.Go(func() { r.Done(Page{}, net.ErrClosed) })
		return
	}
	list := l.idle[r.Addr]
	if n := len(list); n > 0 && !r.again {
		l.idle[r.Addr] = list[:n-1]
		l.sendLocked(sending{r: r, c: list[n-1], used: true})
		return
	}
	l.dials.Go(func() { l.connect(r) })
}

// sendLocked hands something to run and wakes it.
func (l *Loop) sendLocked(s sending) {
	l.queue = append(l.queue, s)
	l.wakeLocked()
}

// wakeLocked ends the wait of run, if it waits.
func (l *Loop) wakeLocked() {
	if l.waiting {
		l.waiting = false
		l.poll.interrupt()
	}
}

// connect makes a connection for r.
func (l *Loop) connect(r *Request) {
	ctx, cancel := context.WithDeadline(context.Background(), r.Deadline)
	defer cancel()
	nc, err := l.dial(ctx, "tcp", r.Addr)
	if err != nil {
		if ctx.Err() != nil {
			err = context.DeadlineExceeded
		}
		r.Done(Page{}, err)
		return
	}
	if fd, ok := descriptor(nc); !ok || !l.adopt(fd, r) {
		r.Done(Page{}, ErrUnusual)
	}
}

// adopt gives a new connection to run, which it starts with the first one. It
// reports whether it could.
func (l *Loop) adopt(fd int, r *Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		if err := l.poll.open(); err != nil {
			closeDescriptor(fd)
			return false
		}
		l.started = true
		go l.run()
	}
	l.sendLocked(sending{r: r, c: &conn{fd: fd, addr: r.Addr}})
	return true
}

// descriptor returns a descriptor of nc of its own, and closes nc; false if nc
// is no socket. The library's poller must not know of it: it would wake up for
// what nobody waits for there.
func descriptor(nc net.Conn) (fd int, ok bool) {
	defer nc.Close()
	sc, isSocket := nc.(syscall.Conn)
	if !isSocket {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	fd = -1
	if err := raw.Control(func(old uintptr) { fd, err = duplicate(old) }); err != nil || fd < 0 {
		return 0, false
	}
	return fd, true
}

// Close fails what is on its way, and closes everything. It must be called once;
// Get must not be called after it.
func (l *Loop) Close() {
	l.dials.Wait()
	l.mu.Lock()
	l.closed = true
	l.wakeLocked()
	started := l.started
	l.mu.Unlock()
	if started {
		<-l.ended
	}
}

// run is the goroutine of the loop.
func (l *Loop) run() {
	defer close(l.ended)
	defer l.shutDown()
	var queue []sending
	for {
		l.mu.Lock()
		queue, l.queue = l.queue, queue[:0]
		closed := l.closed
		l.mu.Unlock()
		for i := range queue {
			l.begin(queue[i])
			queue[i] = sending{}
		}
		if closed {
			return
		}
		if len(queue) > 0 {
			l.poll.sleep(gather)
			l.receive(false)
		}
		l.expire(time.Now())
		if l.answers > 0 && l.busy == 0 {
			l.answers = 0
			l.quiet()
		}
		l.await()
	}
}

// await waits until something comes, or is due, and reads what came.
func (l *Loop) await() {
	until := l.until()
	l.mu.Lock()
	if len(l.queue) > 0 || l.closed {
		l.mu.Unlock()
		return
	}
	l.waiting = true
	l.poll.setDeadline(until)
	l.mu.Unlock()
	l.receive(true)
	l.mu.Lock()
	l.waiting = false
	l.mu.Unlock()
}

// until returns when run has something to do even if nothing comes.
func (l *Loop) until() time.Time {
	switch {
	case len(l.stalled) > 0:
		return time.Now().Add(5 * gather)
	case l.busy > 0:
		return l.deadline
	}
	return time.Now().Add(maxIdle)
}

// receive reads what has come. If wait is set it waits for something first.
func (l *Loop) receive(wait bool) {
	for ; ; wait = false {
		events := l.poll.ready(wait)
		for _, fd := range events {
			if c := l.open[fd]; c != nil {
				l.read(c)
			}
		}
		if len(events) < maxEvents {
			return
		}
	}
}

// begin writes a request to its connection.
func (l *Loop) begin(s sending) {
	r, c := s.r, s.c
	if l.open[int32(c.fd)] == nil {
		if err := l.poll.add(c.fd); err != nil {
			closeDescriptor(c.fd)
			r.Done(Page{}, err)
			return
		}
		l.open[int32(c.fd)] = c
	}
	c.r, c.used = r, s.used
	if l.busy == 0 || r.Deadline.Before(l.deadline) {
		l.deadline = r.Deadline
	}
	l.busy++
	l.scratch = r.appendHead(l.scratch[:0])
	if n, err := write(c.fd, l.scratch); err != nil || n < len(l.scratch) {
		l.fail(c, errDead)
	}
}

// errDead says that a connection ended before an answer began.
var errDead = errors.New("connection was closed by the server")

// drop closes a connection and returns the request that was on its way.
func (l *Loop) drop(c *conn) *Request {
	r := c.r
	if r != nil {
		l.busy--
	}
	l.depot.Discard(Page{buf: c.buf, large: c.large})
	l.poll.remove(c.fd)
	delete(l.open, int32(c.fd))
	closeDescriptor(c.fd)
	*c = conn{fd: -1}
	return r
}

// fail ends the request of c without a page. A request that met a connection
// which the server had closed meanwhile is made once more.
func (l *Loop) fail(c *conn, err error) {
	again := errors.Is(err, errDead) && c.used && len(c.buf) == 0
	r := l.drop(c)
	if again {
		r.again = true
		l.Get(r)
		return
	}
	r.Done(Page{}, err)
}

// expire fails requests whose time is over, and closes connections that have
// been idle for long.
func (l *Loop) expire(now time.Time) {
	for _, c := range l.takeStalled() {
		if c.r != nil {
			l.read(c)
		}
	}
	if l.busy > 0 && !now.Before(l.deadline) {
		next := now.Add(time.Hour)
		for _, c := range l.open {
			switch {
			case c.r == nil:
			case !now.Before(c.r.Deadline):
				l.fail(c, context.DeadlineExceeded)
			case c.r.Deadline.Before(next):
				next = c.r.Deadline
			}
		}
		l.deadline = next
	}
	if now.Sub(l.swept) >= maxIdle/2 {
		l.swept = now
		l.sweep(now)
	}
}

// takeStalled empties the list of those that wait for a place.
func (l *Loop) takeStalled() []*conn {
	list := l.stalled
	l.stalled = nil
	return list
}

// sweep closes connections that have been idle for long.
func (l *Loop) sweep(now time.Time) {
	var old []*conn
	l.mu.Lock()
	for addr, list := range l.idle {
		n := 0
		for n < len(list) && now.Sub(list[n].since) >= maxIdle {
			n++
		}
		old = append(old, list[:n]...)
		if l.idle[addr] = list[n:]; n == len(list) {
			delete(l.idle, addr)
		}
	}
	l.mu.Unlock()
	for _, c := range old {
		l.drop(c)
	}
}

// park makes c idle.
func (l *Loop) park(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*c = conn{fd: c.fd, addr: c.addr, since: time.Now()}
	l.idle[c.addr] = append(l.idle[c.addr], c)
}

// forget takes an idle connection, which the server has closed, from the list.
// It is not there if a request has just been given to it.
func (l *Loop) forget(c *conn) {
	l.mu.Lock()
	list := l.idle[c.addr]
	at := -1
	for i, other := range list {
		if other == c {
			at = i
		}
	}
	if at >= 0 {
		l.idle[c.addr] = append(list[:at], list[at+1:]...)
	}
	l.mu.Unlock()
	if at >= 0 {
		l.drop(c)
	}
}

// shutDown fails everything and gives everything back.
func (l *Loop) shutDown() {
	l.mu.Lock()
	queue := l.queue
	l.queue, l.idle = nil, map[string][]*conn{}
	l.mu.Unlock()
	for _, s := range queue {
		if l.open[int32(s.c.fd)] == nil {
			closeDescriptor(s.c.fd)
		}
		s.r.Done(Page{}, net.ErrClosed)
	}
	for _, c := range l.open {
		if r := l.drop(c); r != nil {
			r.Done(Page{}, net.ErrClosed)
		}
	}
	l.dials.Wait() // for those that fail meanwhile
	l.poll.close()
}
