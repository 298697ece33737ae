package roster

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	maxDiffer  = time.Second      // how long a digest may differ before entries are exchanged
	skewCounts = 30 * time.Second // how long a clock's reading is kept for a worse one
)

// A Pulse is what a node says of itself in every answer.
type Pulse struct {
	Instance Instance
	Clock    time.Time // its wall clock
	Digest   uint64
}

// Pulse returns what this node says of itself.
func (r *Roster) Pulse(now time.Time) Pulse {
	return Pulse{Instance: r.cfg.Instance, Clock: now, Digest: r.Digest(now)}
}

// Compare notes a peer's pulse. rtt is how long ago we asked for it, or
// negative if it came unasked: then it tells nothing about clocks.
func (r *Roster) Compare(now time.Time, name string, p Pulse, rtt time.Duration) {
	l := r.life(name, p.Instance)
	if l == nil {
		return
	}
	r.heardFrom(l, now)
	l.proof = later(l.proof, p.Clock)
	if rtt >= 0 && (l.timed.IsZero() || rtt <= l.rtt || now.Sub(l.timed) > skewCounts) {
		l.skew, l.rtt, l.timed = p.Clock.Sub(now.Add(-rtt/2)), rtt, now
	}
	switch {
	case p.Digest == r.Digest(now):
		l.differs = time.Time{}
	case l.differs.IsZero():
		l.differs = now
	}
}

// compareDigests exchanges entries with peers whose digest has differed for
// too long. Before our own From we are less patient.
func (r *Roster) compareDigests(now time.Time) {
	patience, all := maxDiffer, true
	if r.stage == Joining {
		patience /= 2
	}
	for _, l := range r.lives {
		if l.differs.IsZero() || l.departed(now) {
			continue
		}
		all = false
		if now.Sub(later(l.differs, l.synced)) > patience {
			l.synced = now
			r.counts.Disagreement++
			r.do(Action{Do: Sync, Peer: l.Name, Addr: l.Addr})
		}
	}
	if all || r.agreed.IsZero() {
		r.agreed = now
	}
}

// Disagreed returns for how long some peer has been known to see the cluster
// otherwise than we do; 0: none is.
func (r *Roster) Disagreed(now time.Time) time.Duration {
	if r.agreed.IsZero() || !r.ticked.After(r.agreed) {
		return 0
	}
	return now.Sub(r.agreed)
}

// A digest is one that was computed, and how long it holds.
type digest struct {
	sum     uint64
	changes int       // of the roster
	until   time.Time // when the next entry departs; zero: none will
}

// Digest sums up everything that decides who owns what. Nodes with equal
// digests agree on every owner from now on.
func (r *Roster) Digest(now time.Time) uint64 {
	d := &r.digest
	if d.sum == 0 || d.changes != r.changes || !d.until.IsZero() && !now.Before(d.until) {
		*d = r.makeDigest(now)
	}
	return d.sum
}

func (r *Roster) makeDigest(now time.Time) digest {
	d := digest{changes: r.changes}
	var sum xxhash.Digest
	sum.Reset()
	var buf [64]byte
	add := func(e *Entry) {
		if e.departed(now) {
			return
		}
		if !e.Until.IsZero() && (d.until.IsZero() || e.Until.Before(d.until)) {
			d.until = e.Until
		}
		b := append(buf[:0], e.Name...)
		b = append(b, 0xFF)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Instance))
		b = binary.BigEndian.AppendUint32(b, e.Seq)
		sum.Write(b)
	}
	at, _ := r.find(r.cfg.Name, r.cfg.Instance)
	for _, l := range r.lives[:at] {
		add(&l.Entry)
	}
	add(&r.self)
	for _, l := range r.lives[at:] {
		add(&l.Entry)
	}
	d.sum = sum.Sum64() | 1 // never 0, which means none
	return d
}

// Skew returns how far our clock is from the median of the peers': positive
// when theirs are ahead. Our own clock has a vote.
func (r *Roster) Skew(now time.Time) time.Duration {
	return r.medianSkew(now, func(l *life) time.Duration { return l.skew })
}

// skewed reports whether our clock is too far off to serve, whatever part of
// the round trips each way took.
func (r *Roster) skewed(now time.Time) bool {
	certain := func(l *life) time.Duration {
		if l.skew < 0 {
			return min(l.skew+l.rtt/2, 0)
		}
		return max(l.skew-l.rtt/2, 0)
	}
	return r.medianSkew(now, certain).Abs() > r.cfg.MaxSkew
}

func (r *Roster) medianSkew(now time.Time, skew func(*life) time.Duration) time.Duration {
	list := []time.Duration{0}
	for _, l := range r.lives {
		if !l.timed.IsZero() && !l.departed(now) {
			list = append(list, skew(l))
		}
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// Skews returns each peer's clock less ours, by name, as far as it is known.
func (r *Roster) Skews(now time.Time) map[string]time.Duration {
	skews := map[string]time.Duration{}
	for _, l := range r.lives {
		if !l.timed.IsZero() && !l.departed(now) {
			skews[l.Name] = l.skew
		}
	}
	return skews
}
