package status

import "time"

// maxPast is how many scrapes of a target are remembered.
const maxPast = 64

// A Past is the recent scrapes of one target: a ring without pointers, which
// grows as they come, so that a target of another node costs nothing. Of the
// errors only the latest is kept as text, for the scrapes since which all that
// failed have failed with it.
type Past struct {
	ring    []outcome // scrape n is at n % maxPast
	made    int       // scrapes so far
	err     string    // why the last one that failed did
	errFrom int       // the first scrape that it holds for
}

// An outcome is one scrape in 24 bytes:
//
//	when  | Unix ms of the slot, 42 bits | ms from there to the beginning, 22 bits |
//	took  | failed, 1 bit | µs, 31 bits |
//
// What does not fit is cut to the largest number that does.
type outcome struct {
	when                 uint64
	took                 uint32
	bytes, samples, kept uint32
}

const (
	lateBits = 22
	maxLate  = 1<<lateBits - 1
	failedAt = 1 << 31
	maxTook  = failedAt - 1
	maxCount = 1<<32 - 1
)

// errForgotten stands for an error whose text is not kept.
const errForgotten = "failed, for another reason than the last scrape that did"

// newOutcome packs s, without its error's text.
func newOutcome(s Scrape) outcome {
	late := clip(s.At.Sub(s.Slot).Milliseconds(), maxLate)
	o := outcome{
		when:    uint64(s.Slot.UnixMilli())<<lateBits | late,
		took:    uint32(clip(s.Duration.Microseconds(), maxTook)),
		bytes:   uint32(clip(int64(s.Bytes), maxCount)),
		samples: uint32(clip(int64(s.Samples), maxCount)),
		kept:    uint32(clip(int64(s.Kept), maxCount)),
	}
	if s.Err != "" {
		o.took |= failedAt
	}
	return o
}

// clip returns n, but at least 0 and at most limit.
func clip(n, limit int64) uint64 { return uint64(min(max(n, 0), limit)) }

// scrape unpacks o; err is the error that it has if it failed.
func (o outcome) scrape(err string) Scrape {
	slot := time.UnixMilli(int64(o.when >> lateBits))
	s := Scrape{
		Slot:     slot,
		At:       slot.Add(time.Duration(o.when&maxLate) * time.Millisecond),
		Duration: time.Duration(o.took&maxTook) * time.Microsecond,
		Bytes:    int(o.bytes), Samples: int(o.samples), Kept: int(o.kept),
	}
	if o.took&failedAt != 0 {
		s.Err = err
	}
	return s
}

// Add remembers s as the latest scrape.
func (p *Past) Add(s Scrape) {
	if s.Err != "" && s.Err != p.err {
		p.err, p.errFrom = s.Err, p.made
	}
	if o := newOutcome(s); len(p.ring) < maxPast {
		p.ring = append(p.ring, o)
	} else {
		p.ring[p.made%maxPast] = o
	}
	p.made++
}

// Last returns the latest scrape; the zero Scrape if there is none.
func (p *Past) Last() Scrape {
	if p.made == 0 {
		return Scrape{}
	}
	return p.ring[(p.made-1)%maxPast].scrape(p.err)
}

// List returns what is remembered, the oldest first.
func (p *Past) List() []Scrape {
	out := make([]Scrape, 0, len(p.ring))
	for n := p.made - len(p.ring); n < p.made; n++ {
		err := p.err
		if n < p.errFrom {
			err = errForgotten
		}
		out = append(out, p.ring[n%maxPast].scrape(err))
	}
	return out
}
