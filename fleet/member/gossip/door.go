package gossip

import (
	"net/netip"
	"sync"
	"time"
)

// A verdict says what to do with a visitor.
type verdict int

const (
	admitted verdict = iota
	tooMany          // this address has, or opens, too many
	full             // all addresses together have too many
)

// A door bounds what is open at the same time, by address and in all, and how
// often one address may enter. What it refuses costs next to nothing.
type door struct {
	maxOpen   int     // in all
	maxByAddr int     // for one address
	rate      float64 // entries a second for one address; its burst is twice that. 0: no bound

	mu     sync.Mutex
	open   int
	byAddr map[netip.Prefix]*visitor
}

// A visitor is what a door knows of one address.
type visitor struct {
	open    int
	entries float64   // that it may make at once
	at      time.Time // when entries was true
}

// maxVisitors is the number of addresses above which those that left and have
// been quiet are forgotten.
const maxVisitors = 1024

// enter asks for entry at now. Who is admitted must leave.
func (d *door) enter(from netip.Prefix, now time.Time) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.maxOpen {
		return full
	}
	v := d.byAddr[from]
	if v == nil {
		if len(d.byAddr) >= maxVisitors && !d.forgetLocked(now) {
			return full
		}
		v = &visitor{entries: 2 * d.rate, at: now}
		if d.byAddr == nil {
			d.byAddr = map[netip.Prefix]*visitor{}
		}
		d.byAddr[from] = v
	}
	v.refill(d.rate, now)
	if v.open >= d.maxByAddr || d.rate > 0 && v.entries < 1 {
		return tooMany
	}
	v.entries--
	v.open++
	d.open++
	return admitted
}

// leave ends one visit.
func (d *door) leave(from netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	d.byAddr[from].open--
}

// refill adds the entries that time has earned since the last call.
func (v *visitor) refill(rate float64, now time.Time) {
	if earned := now.Sub(v.at).Seconds() * rate; earned > 0 {
		v.entries = min(v.entries+earned, 2*rate)
	}
	v.at = now
}

// forgetLocked removes the visitors that left and may enter as often as a new
// one, and reports whether there were any. The caller holds d.mu.
func (d *door) forgetLocked(now time.Time) bool {
	before := len(d.byAddr)
	for from, v := range d.byAddr {
		v.refill(d.rate, now)
		if v.open == 0 && v.entries >= 2*d.rate-1 || v.open == 0 && d.rate == 0 {
			delete(d.byAddr, from)
		}
	}
	return len(d.byAddr) < before
}

// visitorOf returns what counts as one address: an IPv4 address, or the /64
// of an IPv6 one. Addresses that are no IP count as one.
func visitorOf(remoteAddr string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := ap.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // bits fit the family
	return p
}
