package gossip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits that are not worth a setting.
const (
	laneLen      = 256      // packets that wait for one peer, or from one address
	laneBytes    = 64 << 20 // bytes of packets that wait, in each direction
	readingBytes = 64 << 20 // bytes of packets that are being read from requests
	batchBytes   = 64 << 10 // packets that go in one request
	sendTimeout  = 5 * time.Second
	dialTimeout  = 2 * time.Second  // connection and TLS handshake, each
	bodyTimeout  = 10 * time.Second // for the frames of a message, and for memberlist to take a stream
	maxMessages  = 1024             // requests with packets at the same time
	maxSenders   = 128              // the same from one address
)

// errGate is what a stream fails with while nothing may pass.
var errGate = errors.New("gate is closed")

// A Config says how to reach peers. The zero value talks plain HTTP/2 and
// must be given Advertise, unless memberlist's configuration has an address.
type Config struct {
	Advertise netip.AddrPort // where peers reach this node
	TLS       *tls.Config    // of the client's side; nil: HTTP/2 without TLS
	// Dial opens connections to peers; nil: a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Stale is asked before every packet and every read or write of a stream;
	// while it says true they fail as if the gate were closed. A node that was
	// paused is so kept from speaking before it has noticed. nil: never.
	Stale func() bool

	MaxFrame       int     // longest payload of a frame, in bytes; 0: 20 MiB
	MaxStreams     int     // streams that peers hold open, in all; 0: 256
	MaxPeerStreams int     // streams that one address holds open; 0: 32
	PeerStreamRate float64 // streams a second that one address may open; 0: 100

	Log      *slog.Logger          // nil: none
	Registry prometheus.Registerer // nil: metrics are kept to ourselves
}

// withDefaults returns c with what zero means.
func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = 20 << 20
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 256
	}
	if c.MaxPeerStreams == 0 {
		c.MaxPeerStreams = 32
	}
	if c.PeerStreamRate == 0 {
		c.PeerStreamRate = 100
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Transport carries the gossip of one memberlist. It is a
// memberlist.NodeAwareTransport. All methods may be called at the same time.
type Transport struct {
	cfg          Config
	meters       *meters
	packetClient *http.Client
	streamClient *http.Client
	packets      chan *memberlist.Packet
	streams      chan net.Conn
	in, out      lanes // by address of the sender; by address of the peer
	messageDoor  door
	streamDoor   door
	reading      atomic.Int64 // bytes claimed by requests with packets

	gating sync.Mutex // held while the gate moves; taken before mu

	mu       sync.Mutex
	open     *epoch // nil while the gate is closed
	shutDown bool
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

// An epoch is the time from an opening of the gate to its closing.
type epoch struct {
	ctx    context.Context // done when the gate closes
	cancel context.CancelFunc
	work   sync.WaitGroup // all that runs between; added to while Transport.mu is held
}

// newEpoch returns an epoch that begins now.
func newEpoch() *epoch {
	ctx, cancel := context.WithCancel(context.Background())
	return &epoch{ctx: ctx, cancel: cancel}
}

// New returns a Transport with an open gate. It registers its metrics with
// cfg.Registry, which panics if another Transport is registered there.
func New(cfg Config) *Transport {
	cfg = cfg.withDefaults()
	t := &Transport{
		cfg:         cfg,
		packets:     make(chan *memberlist.Packet),
		streams:     make(chan net.Conn),
		in:          lanes{maxPackets: laneLen, maxBytes: laneBytes, maxBatch: 1},
		out:         lanes{maxPackets: laneLen, maxBytes: laneBytes, maxBatch: batchBytes},
		messageDoor: door{maxOpen: maxMessages, maxByAddr: maxSenders},
		streamDoor:  door{maxOpen: cfg.MaxStreams, maxByAddr: cfg.MaxPeerStreams, rate: cfg.PeerStreamRate},
		open:        newEpoch(),
	}
	t.meters = newMeters(cfg.Registry, t.in.waiting, t.out.waiting)
	t.packetClient, t.streamClient = t.newClient(), t.newClient()
	return t
}

// SetGate closes or opens the gate. While it is closed, packets are dropped in
// both directions, and streams are refused; closing it also ends the streams
// that are open and the connections to peers, and returns when all that is
// done. After Shutdown the gate stays closed.
func (t *Transport) SetGate(closed bool) {
	t.gating.Lock()
	defer t.gating.Unlock()
	t.mu.Lock()
	was := t.open
	switch {
	case closed:
		t.open = nil
	case was == nil && !t.shutDown:
		t.open = newEpoch()
	}
	t.mu.Unlock()
	if !closed || was == nil {
		return
	}
	was.cancel()
	t.meters.rxFailed.Add(float64(t.in.clear()))
	t.meters.txFailed.Add(float64(t.out.clear()))
	was.work.Wait()
}

// Shutdown closes the gate for good and takes the metrics out of the registry.
// It returns nil when everything has ended.
func (t *Transport) Shutdown() error {
	t.mu.Lock()
	t.shutDown = true
	t.mu.Unlock()
	t.SetGate(true)
	t.packetClient.CloseIdleConnections()
	t.streamClient.CloseIdleConnections()
	if t.cfg.Registry != nil {
		for _, c := range t.meters.all {
			t.cfg.Registry.Unregister(c)
		}
	}
	return nil
}

// stale reports whether the node may not speak or listen at this moment.
func (t *Transport) stale() bool { return t.cfg.Stale != nil && t.cfg.Stale() }

// enter returns the current epoch with one more piece of work, whose end the
// caller tells with work.Done; nil while nothing may pass.
func (t *Transport) enter() *epoch {
	if t.stale() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open != nil {
		t.open.work.Add(1)
	}
	return t.open
}

// FinalAdvertiseAddr returns Config.Advertise, or if that is not set ip and
// port. It fails if ip is no IP address or if one is missing.
func (t *Transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr := t.cfg.Advertise.Addr()
	switch {
	case t.cfg.Advertise.IsValid():
		port = int(t.cfg.Advertise.Port())
	case ip != "":
		var err error
		if addr, err = netip.ParseAddr(ip); err != nil {
			return nil, 0, fmt.Errorf("read advertise address: %w", err)
		}
	}
	if !addr.IsValid() || port == 0 {
		return nil, 0, errors.New("advertise address is missing")
	}
	return addr.Unmap().AsSlice(), port, nil
}

// WriteTo is WriteToAddress for a peer without a name.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress queues b as a packet to a and returns the time. It never
// waits and never fails: what becomes of the packet shows in the metrics.
func (t *Transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	now := time.Now()
	if len(b) > t.cfg.MaxFrame {
		t.meters.txFailed.Inc()
		return now, nil
	}
	t.pass(&t.out, a.Addr, packet{buf: appendFrame(nil, b), at: now})
	return now, nil
}

// pass queues p in the lane of peer, and sees to it that it has a worker.
func (t *Transport) pass(ls *lanes, peer string, p packet) {
	failed, deliver := t.meters.txFailed, t.send
	if ls == &t.in {
		failed, deliver = t.meters.rxFailed, t.hand
	}
	if t.stale() {
		failed.Inc()
		return
	}
	t.mu.Lock() // held over both, so that a lane never lacks a worker
	defer t.mu.Unlock()
	if t.open == nil {
		failed.Inc()
		return
	}
	dropped, start := ls.put(peer, p)
	failed.Add(float64(dropped))
	if !start {
		return
	}
	ctx := t.open.ctx
	t.open.work.Go(func() {
		for batch := ls.take(peer); batch != nil; batch = ls.take(peer) {
			deliver(ctx, peer, batch)
		}
	})
}

// hand hands packets that came in to memberlist.
func (t *Transport) hand(ctx context.Context, _ string, batch []packet) {
	for _, p := range batch {
		if t.stale() {
			t.meters.rxFailed.Inc()
			continue
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: p.buf, From: p.from, Timestamp: p.at}:
			t.meters.rxPackets.Inc()
			t.meters.rxBytes.Add(float64(len(p.buf)))
		case <-ctx.Done():
			t.meters.rxFailed.Inc()
		}
	}
}

// PacketCh returns the packets that came in.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the streams that peers opened.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }
