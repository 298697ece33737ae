package gossip

import (
	"net"
	"sync"
	"time"
)

// A packet waits in a lane.
type packet struct {
	buf  []byte    // a whole frame on the way out, a payload on the way in
	from net.Addr  // who sent it; nil on the way out
	at   time.Time // when it was written, or arrived
}

// lanes are bounded queues of packets by peer, each with at most one worker,
// which lives while its queue has packets. They may be used by several
// goroutines at the same time.
type lanes struct {
	maxPackets int // in one lane; the oldest gives way
	maxBytes   int // in all lanes; the oldest of the same lane gives way, then the new one
	maxBatch   int // bytes that a worker takes at once, but always one packet

	mu      sync.Mutex
	byPeer  map[string]*lane
	packets int // waiting in all lanes
	bytes   int
}

// A lane is the queue of one peer.
type lane struct {
	queue  []packet
	worked bool // has a worker
}

// put adds p to the peer's lane. It returns how many packets were dropped for
// it, p itself perhaps, and whether the caller must start a worker for peer,
// which calls take until that returns none.
func (ls *lanes) put(peer string, p packet) (dropped int, start bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byPeer[peer]
	if l == nil {
		if ls.bytes+len(p.buf) > ls.maxBytes {
			return 1, false
		}
		l = &lane{}
		if ls.byPeer == nil {
			ls.byPeer = map[string]*lane{}
		}
		ls.byPeer[peer] = l
	}
	for len(l.queue) > 0 && (len(l.queue) >= ls.maxPackets || ls.bytes+len(p.buf) > ls.maxBytes) {
		ls.popLocked(l)
		dropped++
	}
	if ls.bytes+len(p.buf) > ls.maxBytes {
		return dropped + 1, false // its worker is busy with the last batch
	}
	l.queue = append(l.queue, p)
	ls.packets++
	ls.bytes += len(p.buf)
	start, l.worked = !l.worked, true
	return dropped, start
}

// take returns the peer's oldest packets, or none: then the lane is gone and
// its worker must end.
func (ls *lanes) take(peer string) []packet {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byPeer[peer]
	if l == nil || len(l.queue) == 0 {
		delete(ls.byPeer, peer)
		return nil
	}
	var batch []packet
	for size := 0; len(l.queue) > 0; {
		size += len(l.queue[0].buf)
		if len(batch) > 0 && size > ls.maxBatch {
			break
		}
		batch = append(batch, ls.popLocked(l))
	}
	return batch
}

// clear empties the lanes, which ends their workers, and returns how many
// packets there were.
func (ls *lanes) clear() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	n := ls.packets
	for _, l := range ls.byPeer {
		l.queue = nil
	}
	ls.packets, ls.bytes = 0, 0
	return n
}

// waiting returns the number of packets in all lanes.
func (ls *lanes) waiting() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.packets
}

// popLocked takes the oldest packet of l, which has one. The caller holds
// ls.mu.
func (ls *lanes) popLocked(l *lane) packet {
	p := l.queue[0]
	l.queue[0] = packet{}
	l.queue = l.queue[1:]
	ls.packets--
	ls.bytes -= len(p.buf)
	return p
}

// payload returns the number of bytes in a packet's frame that are not its
// header.
func (p packet) payload() int {
	if p.buf[0] == magicShort {
		return len(p.buf) - shortHeader
	}
	return len(p.buf) - longHeader
}
