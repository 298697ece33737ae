package demo

import (
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A kill is when a node was killed.
type kill struct {
	node string
	at   time.Time
}

// aftermath is how long after a kill, beside one interval, slots of the killed
// node's targets may go wrong because of it: the others have to notice.
const aftermath = 5 * time.Second

// settling is how long a scrape may take to arrive, and to be booked.
const settling = 2 * time.Second

// state returns what there is to show now.
//
// A scrape that a target has answered and the receiver does not have is waiting,
// or it was in the hands of a node that was killed, or it is lost. It can only
// be waiting while a node says that it has a backlog, or does not say, or the
// receiver is down, or the scrape is younger than what scraping and delivering
// may take. Once the nodes have ended there is nothing left to wait for.
//
// The nodes are asked first: what they have delivered has then arrived.
func (d *demo) state() state {
	s := state{
		elapsed: time.Since(d.journal.started), interval: d.cfg.Interval,
		targets: d.cfg.Targets, series: d.bed.Fleet.Series(),
		nodes: d.look(), down: d.down, events: d.journal.all(),
	}
	d.countSlots(&s)
	now := time.Now()
	settled := now.Add(-settling)
	if d.closed {
		settled = now.Add(time.Hour)
	}
	verdict := testbed.Check(d.bed.Fleet, d.bed.Receiver, settled)
	report := d.bed.Receiver.Report()
	s.scraped, s.delivered, s.late = d.bed.Fleet.Answered(), report.Scrapes, report.Late
	s.lag, s.rate = report.LagP50, d.rate.perSecond(now, float64(report.Samples))
	missing := slices.DeleteFunc(verdict.Lost, func(scrape testbed.Scrape) bool {
		killed := heldBy(d.kills, scrape)
		if killed {
			s.killed++
		}
		return killed
	})
	waiting := d.down || slices.ContainsFunc(s.nodes, func(n nodeState) bool { return n.stage != "killed" && (!n.answers || n.backlog > 0) })
	if !waiting || d.closed {
		s.lost = int64(len(missing))
	}
	s.waiting = max(0, s.scraped-s.delivered-s.killed-s.lost)
	return s
}

// look asks all nodes at the same time.
func (d *demo) look() []nodeState {
	states := make([]nodeState, len(d.nodes))
	var asked sync.WaitGroup
	for i, n := range d.nodes {
		asked.Go(func() { states[i] = n.look(d.client) })
	}
	asked.Wait()
	return states
}

// countSlots adds what the targets saw of their slots.
func (d *demo) countSlots(s *state) {
	before := d.frozen
	if before.IsZero() {
		before = time.Now()
	}
	// A scrape counts once it is answered, which takes a moment.
	slots := testbed.CheckSlots(d.bed.Fleet, d.cfg.Interval, before.Add(-d.cfg.Interval/4))
	s.served, s.hole = slots.Served, slots.Hole
	for _, slip := range slots.Slips {
		count := &s.planned
		if causedBy(d.kills, slip, d.cfg.Interval) {
			count = &s.crashed
		}
		if slip.Scrapes == 0 {
			count.missed++
		} else {
			count.doubled++
		}
	}
}

// causedBy reports whether one of the kills explains slip: the target was the
// killed node's, and the others have not had the time to notice.
func causedBy(kills []kill, slip testbed.Slip, interval time.Duration) bool {
	return slices.ContainsFunc(kills, func(k kill) bool {
		since := slip.Slot.Sub(k.at)
		return slices.Contains(slip.By, k.node) && since > -interval && since < interval+aftermath
	})
}

// heldBy reports whether the node that made scrape was killed afterwards.
func heldBy(kills []kill, scrape testbed.Scrape) bool {
	return slices.ContainsFunc(kills, func(k kill) bool {
		return scrape.By == k.node && scrape.Time.Before(k.at)
	})
}

// rateWindow is how far back a rate looks: some intervals of a target, so that
// the rhythm of the scrapes does not show.
const rateWindow = 4 * time.Second

// A rate turns a count into one per second.
type rate struct{ seen []reading }

// A reading is a count at a time.
type reading struct {
	at    time.Time
	count float64
}

// perSecond returns how fast the count has risen over the window; 0 if that is
// too short to say. A count that falls is that of another process, and begins
// anew.
func (r *rate) perSecond(now time.Time, count float64) float64 {
	if n := len(r.seen); n > 0 && count < r.seen[n-1].count {
		r.seen = nil
	}
	for len(r.seen) > 1 && now.Sub(r.seen[1].at) >= rateWindow {
		r.seen = r.seen[1:]
	}
	r.seen = append(r.seen, reading{now, count})
	first := r.seen[0]
	if seconds := now.Sub(first.at).Seconds(); seconds >= 0.5 {
		return (count - first.count) / seconds
	}
	return 0
}
