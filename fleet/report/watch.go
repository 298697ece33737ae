package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report/coverage"
)

const (
	// Nodes compare what they know this often: a quarter of the shortest
	// interval of the targets, within these bounds, and no more than a number
	// of times per second in all.
	minWatch   = time.Second
	maxWatch   = 5 * time.Second
	maxPerNode = 50 * time.Millisecond
	minAgain   = 100 * time.Millisecond

	// minDisagreement is how long nodes may disagree at least before that is
	// held against them: one may have heard of a change and the other not yet.
	minDisagreement = time.Second
)

// A brief is what a node is asked again and again: what it knows, in short.
type brief struct {
	Digests []Digest `json:"digests"`
	View    string   `json:"view"`   // hash of who owns what from now on
	Config  string   `json:"config"` // hash of the configuration
}

// brief returns this node's.
func (r *Reporter) brief() brief {
	b := brief{View: hash(r.cfg.View.Load().Digest(r.cfg.Now()))}
	if r.cfg.Census == nil {
		b.Digests = r.inventory().digests()
	} else {
		for _, c := range r.cfg.Census() {
			if c.Count > 0 {
				b.Digests = append(b.Digests, digestOf(c))
			}
		}
	}
	if r.cfg.ConfigHash != nil {
		b.Config = r.cfg.ConfigHash()
	}
	return b
}

// A watch is what is known of the fleet from look to look. It belongs to Run.
type watch struct {
	last       time.Time // when the briefs were last compared; zero: never
	components map[string]*dispute
	drift      drifting
}

// A dispute is a component about which nodes disagree.
type dispute struct {
	since     time.Time
	interval  time.Duration // how long that is nobody's fault
	compared  time.Time     // when books were last compared; zero: never
	cost      time.Duration // of that
	signature string        // of what they were compared of
	judgement coverage.Judgement
	places    map[string]*standing // by URL
}

// A standing is how long it has been so at a place.
type standing struct {
	since  time.Time
	values map[string][]string // of the label that differs, by node
	fresh  bool                // they were others before
}

// findings is what a watch has found.
type findings struct {
	at       time.Time
	coverage []Coverage
	silent   int // nodes of ours that did not answer
	drift    []Drift
}

// Run keeps what can be known of the fleet without anybody asking: whether each
// target has one owner, whether nodes run the same configuration, and what
// happened. It returns when ctx is done.
func (r *Reporter) Run(ctx context.Context) {
	var asking sync.WaitGroup
	asking.Go(func() { r.askAgain(ctx) })
	defer asking.Wait()
	w := watch{components: map[string]*dispute{}}
	var next time.Time // when to look again
	for ctx.Err() == nil {
		view, changed := r.cfg.View.Get()
		date := r.follow(view)
		if now := time.Now(); !now.Before(next) {
			if r.cfg.Describe != nil {
				r.ills.sample(r.cfg.Now(), r.cfg.Describe)
			}
			found, again := r.look(ctx, &w)
			r.found.Set(found)
			next = time.Now().Add(again)
		}
		wait := time.Until(next)
		if !date.IsZero() {
			wait = min(wait, date.Sub(r.cfg.Now())+time.Millisecond)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(wait):
		}
	}
}

// askAgain asks the nodes whenever somebody had to do with an old answer.
func (r *Reporter) askAgain(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.stale:
			r.Fleet(ctx)
		}
	}
}

// follow notes what has happened in the cluster. It returns the next date at
// which something will; zero: nothing is announced.
func (r *Reporter) follow(view owner.View) (date time.Time) {
	peers, now := r.peers(), r.cfg.Now()
	r.times.follow(r.cfg.Self, peers, view, now, func() []owner.Key { return r.inventory().shared(view, now) })
	for i := range peers {
		for _, d := range []time.Time{peers[i].From, peers[i].Until} {
			if d.After(now) && (date.IsZero() || d.Before(date)) {
				date = d
			}
		}
	}
	return date
}

// look compares the briefs of all nodes once. It returns what is found, and
// after how long to look again.
func (r *Reporter) look(ctx context.Context, w *watch) (found findings, next time.Duration) {
	heard := ask(ctx, r, request{Want: wantBrief}, r.brief)
	now, view := r.cfg.Now(), r.cfg.View.Load()
	found = findings{at: now, coverage: []Coverage{}}
	for _, s := range heard.silent {
		if s.Reason != errForeign.Error() {
			found.silent++
		}
	}
	found.drift = w.drift.look(now, heard.said)
	claims := claimsOf(heard.said, view, now)
	for id := range w.components {
		if claims[id] == nil {
			delete(w.components, id)
		}
	}
	again, soon := maxWatch, maxWatch
	for _, id := range slices.Sorted(maps.Keys(claims)) {
		c := claims[id]
		again = min(again, max(c.interval/4, minWatch))
		covered, next := r.cover(ctx, w, c, now)
		found.coverage = append(found.coverage, covered)
		if next > 0 {
			soon = min(soon, next)
		}
	}
	w.last = now
	again = max(again, time.Duration(len(heard.said))*maxPerNode)
	return found, min(untilNext(r.cfg.Now(), again), max(soon, minAgain))
}

// untilNext returns how long it is to the next multiple of every. Nodes that
// look at the same moment take each inventory once.
func untilNext(now time.Time, every time.Duration) time.Duration {
	return every - time.Duration(now.UnixNano()%int64(every))
}

// claims is what the nodes that take part say of one component.
type claims struct {
	component string
	view      owner.View
	clustered bool
	interval  time.Duration // the shortest of any node
	nodes     []claim       // by name
}

// A claim is what one node says of a component. Of one that has no targets the
// digest is empty.
type claim struct {
	node, view string
	Digest
}

// claimsOf sorts what nodes say by component. Those that do not take part have
// no share in any target yet.
func claimsOf(heard []said[brief], view owner.View, now time.Time) map[string]*claims {
	serving := map[string]bool{}
	for _, m := range view.Members() {
		if !now.Before(m.From) && (m.Until.IsZero() || now.Before(m.Until)) {
			serving[m.Name] = true
		}
	}
	all := map[string]*claims{}
	for _, s := range heard {
		for _, d := range s.what.Digests {
			c := all[d.Component]
			if c == nil {
				c = &claims{component: d.Component, view: view}
				all[d.Component] = c
			}
			c.clustered = c.clustered || d.Clustered
			if c.interval == 0 || d.Interval > 0 && d.Interval < c.interval {
				c.interval = d.Interval
			}
		}
	}
	for id, c := range all {
		for _, s := range heard {
			if !serving[s.node] {
				continue
			}
			own := claim{node: s.node, view: s.what.View}
			if i := slices.IndexFunc(s.what.Digests, func(d Digest) bool { return d.Component == id }); i >= 0 {
				own.Digest = s.what.Digests[i]
			}
			c.nodes = append(c.nodes, own)
		}
		slices.SortFunc(c.nodes, func(a, b claim) int { return cmp.Compare(a.node, b.node) })
	}
	return all
}

// signature returns what the judgement depends on.
func (c *claims) signature(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", c.view.Size(now))
	for _, n := range c.nodes {
		fmt.Fprintf(&b, " %s=%s/%t/%s", n.node, n.Hash, n.Clustered, n.view)
	}
	return b.String()
}

// agreed reports whether all nodes know the same targets and see the same
// owners.
func (c *claims) agreed() bool {
	for _, n := range c.nodes {
		first := &c.nodes[0]
		if n.Hash != first.Hash || n.Clustered != first.Clustered || n.view != first.view {
			return false
		}
	}
	return true
}

// targets returns how many targets the node knows that knows most.
func (c *claims) targets() (most int) {
	for _, n := range c.nodes {
		most = max(most, n.Count)
	}
	return most
}

// began returns since when nodes can have disagreed: when the last of them
// changed, but not before the last look, at which they agreed.
func (c *claims) began(last, now time.Time) time.Time {
	began := last
	for _, n := range c.nodes {
		if n.Changed.After(began) {
			began = n.Changed
		}
	}
	if began.IsZero() || began.After(now) {
		return now
	}
	return began
}

// deviants returns the nodes whose targets differ from those of most; all, if
// no targets are those of more than half of the nodes.
func (c *claims) deviants() (nodes []string) {
	count := map[string]int{}
	for _, n := range c.nodes {
		count[n.Hash]++
	}
	if len(count) < 2 {
		return nil
	}
	for _, n := range c.nodes {
		if 2*count[n.Hash] <= len(c.nodes) {
			nodes = append(nodes, n.node)
		}
	}
	return nodes
}

// cover returns how one component is covered, and after how long there may be
// more to say; 0: when something changes.
func (r *Reporter) cover(ctx context.Context, w *watch, c *claims, now time.Time) (out Coverage, again time.Duration) {
	out = Coverage{Component: c.component, Clustered: c.clustered, Targets: c.targets(), Disagree: []string{}, Faults: []Fault{}}
	tolerance := max(c.interval, minDisagreement)
	if !c.clustered {
		delete(w.components, c.component)
		return out, 0
	}
	if since, none := nobody(c.view, now); none {
		delete(w.components, c.component)
		if now.Sub(since) >= tolerance {
			out.Unowned = out.Targets
		}
		return out, tolerance - now.Sub(since)
	}
	if c.agreed() {
		delete(w.components, c.component)
		return out, 0
	}
	d := w.components[c.component]
	if d == nil {
		d = &dispute{since: c.began(w.last, now), places: map[string]*standing{}}
		w.components[c.component] = d
	}
	d.interval = tolerance
	if signature := c.signature(now); signature != d.signature && d.due(now) {
		if j, ok := r.compare(ctx, c); ok {
			d.take(j, signature, now)
			d.cost = r.cfg.Now().Sub(now)
		}
	}
	d.report(&out, c, now)
	return out, d.again(now)
}

// rest is how many times as long as comparing takes it is not done again: targets
// that change all the time must not keep nodes busy.
const rest = 10

// due reports whether books may be compared.
func (d *dispute) due(now time.Time) bool {
	return now.Sub(d.since) >= d.interval/2 && (d.compared.IsZero() || now.Sub(d.compared) >= rest*d.cost)
}

// nobody returns since when nobody owns anything, or false if somebody does.
func nobody(view owner.View, now time.Time) (since time.Time, none bool) {
	if view.Size(now) > 0 && view.Admits(now) {
		return time.Time{}, false
	}
	since, _ = view.Below(now)
	return since, true
}

// take takes a judgement in.
func (d *dispute) take(j coverage.Judgement, signature string, now time.Time) {
	since := now
	if half := now.Add(-d.interval / 2); d.compared.IsZero() {
		since = d.since
		if since.Before(half) {
			since = half // what is there now may not have been all the time
		}
	}
	standing := make(map[string]*standing, len(j.Places))
	for i := range j.Places {
		standing[j.Places[i].URL] = d.places[j.Places[i].URL].next(&j.Places[i], since)
	}
	d.judgement, d.signature, d.compared, d.places = j, signature, now, standing
}

// next returns the standing of a place after another comparison. s is the one
// before; nil: there was nothing wrong.
func (s *standing) next(p *coverage.Place, since time.Time) *standing {
	if s == nil {
		return &standing{since: since, values: p.Values}
	}
	fresh := s.fresh
	for node, values := range p.Values {
		if before := s.values[node]; len(before) > 0 && len(values) > 0 && !slices.Equal(before, values) {
			fresh = true
		}
	}
	return &standing{since: s.since, values: p.Values, fresh: fresh}
}

// again returns after how long something becomes old enough to be told; 0: all
// is told.
func (d *dispute) again(now time.Time) time.Duration {
	if d.compared.IsZero() {
		return max(d.since.Add(d.interval/2).Sub(now), time.Millisecond)
	}
	var next time.Duration
	for _, s := range d.places {
		if left := s.since.Add(d.interval).Sub(now); left > 0 && (next == 0 || left < next) {
			next = left
		}
	}
	return next
}

// maxFaults is how many faults of a component are told in words.
const maxFaults = 100

// report tells what has been so for longer than an interval.
func (d *dispute) report(out *Coverage, c *claims, now time.Time) {
	if d.compared.IsZero() || now.Sub(d.since) < d.interval {
		return
	}
	j := &d.judgement
	out.Since, out.Targets = d.since, max(j.Targets, out.Targets)
	out.Disagree = nonNil(c.deviants())
	out.Unowned, out.Multiple = j.Unowned, j.Multiple
	var wrong, lucky []Fault
	for i := range j.Places {
		p := &j.Places[i]
		s := d.places[p.URL]
		if now.Sub(s.since) < d.interval {
			out.Unowned -= p.Unowned
			out.Multiple -= p.Multiple
			continue
		}
		if p.Unowned+p.Multiple > 0 {
			wrong = append(wrong, faultOf(p, s.fresh))
		} else {
			lucky = append(lucky, faultOf(p, s.fresh))
		}
	}
	all := append(wrong, lucky...)
	out.Faults = nonNil(all[:min(len(all), maxFaults)])
}
