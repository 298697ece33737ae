package member

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// skewWarning is the distance to the peers' median clock that is worth a word.
const skewWarning = 100 * time.Millisecond

// Run keeps the membership until ctx is done. Handler is served meanwhile.
func (n *Node) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(n.done)
	n.lease.Renew(time.Now())
	wg.Go(func() { n.renewMetadata(ctx) })
	wg.Go(func() { n.seek(ctx) })
	wg.Go(func() { n.heal(ctx) })
	wg.Go(func() { n.keepLifelines(ctx) })
	wg.Go(func() { n.warnOfSkew(ctx) })
	wg.Go(func() { n.sendNotes(ctx) })
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.kick:
		case <-ticker.C:
		}
		n.turn(ctx, &wg)
	}
}

// turn lets the roster catch up with the time and does what it wants done.
func (n *Node) turn(ctx context.Context, wg *sync.WaitGroup) {
	begin := time.Now() // if we are stopped in this turn, the next one sees it
	stopped := n.lease.Lapsed(begin)
	if stopped {
		n.transport.SetGate(true)
	}
	n.mu.Lock()
	now := time.Now().Round(0)
	if stopped {
		n.log.Warn("this node was stopped or starved, or its clock jumped; it withdraws and joins again")
		n.roster.Fence(now, n.lease.Served())
	}
	n.roster.Tick(now)
	actions, deaths := n.roster.Take(), n.roster.Deaths()
	n.publish(now)
	was, is, rival := n.stage, n.roster.Stage(), n.roster.Rival()
	n.stage = is
	n.mu.Unlock()
	n.note(was, is, rival, deaths)
	silent := is == roster.Displaced && rival != ""
	if stopped && !silent {
		// Before anybody hears us again the gossip must have our new metadata,
		// or it would answer those who hold us for dead with our old dates.
		_ = n.list.UpdateNode(time.Millisecond)
	}
	n.lease.Renew(begin)
	n.transport.SetGate(silent)
	for _, a := range actions {
		n.perform(ctx, wg, a)
	}
}

// note logs what has become of this node and of others.
func (n *Node) note(was, is roster.Stage, rival string, deaths []roster.Death) {
	switch {
	case was == is:
	case is == roster.Displaced:
		n.log.Error("another node has this node's name; this one serves nothing until that one is gone: give each its own with --cluster.node-name",
			"name", n.cfg.Name, "other", rival)
	default:
		n.log.Info("cluster stage", "stage", is, "before", was)
	}
	for _, d := range deaths {
		took := d.Known.Sub(d.Proof)
		n.meters.takeover.Observe(took.Seconds())
		n.log.Warn("node found dead; others serve its share", "node", d.Name, "after", took)
	}
}

// perform does one action, what takes time in a goroutine of its own.
func (n *Node) perform(ctx context.Context, wg *sync.WaitGroup, a roster.Action) {
	switch a.Do {
	case roster.Announce:
		signal(n.renew)
	case roster.Tell:
		n.post(ctx, wg, func() { n.tell(ctx, a) })
	case roster.Sync:
		n.post(ctx, wg, func() { _ = n.sync(ctx, a.Addr) })
	case roster.Ask:
		wg.Go(func() { n.ask(ctx, a) })
	case roster.Participate:
		n.state(ckit.Participant)
	case roster.Withdraw:
		n.state(ckit.Viewer)
	case roster.Terminate:
		n.state(ckit.Terminating)
	case roster.Depart:
		n.depart(wg)
	}
}

// depart notes that the last slot was served. The gossip hears of the end
// while components finish their work.
func (n *Node) depart(wg *sync.WaitGroup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.left {
		n.left = true
		close(n.departed)
		wg.Go(func() { n.leaveGossip() })
	}
}

// leaveGossip tells the gossip that this node leaves, and waits until that has
// gone out, a moment at most; not at all where nobody is left to hear. It does
// it once: a second call waits for the first.
func (n *Node) leaveGossip() {
	n.leaving.Do(func() {
		n.mu.Lock()
		silent := n.roster.Stage() == roster.Displaced // it would end the rightful one
		alone := len(n.roster.Living(time.Now().Round(0))) == 0 && !slices.ContainsFunc(slices.Collect(maps.Values(n.known)), known.foreign)
		n.mu.Unlock()
		patience := leaveTimeout
		if alone {
			patience = time.Millisecond
		}
		if silent {
			return
		}
		if err := n.list.Leave(patience); err != nil && !alone {
			n.log.Debug("the gossip was not told in time of the end of this node", "err", err)
		}
	})
}

// post sends a letter once there are not too many on their way.
func (n *Node) post(ctx context.Context, wg *sync.WaitGroup, send func()) {
	wg.Go(func() {
		select {
		case n.sending <- struct{}{}:
			defer func() { <-n.sending }()
			send()
		case <-ctx.Done():
		}
	})
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// state tells other software of a new state of this node.
func (n *Node) state(to ckit.State) {
	n.mu.Lock()
	var st ckit.Statement
	var err error
	if to == ckit.Viewer {
		st = n.states.Restart()
	} else {
		st, err = n.states.Change(to)
	}
	n.mu.Unlock()
	if err != nil {
		n.log.Debug("state not announced", "err", err)
		return
	}
	n.broadcast(st)
}

func (n *Node) tell(ctx context.Context, a roster.Action) {
	reply, err := n.write(ctx, a.Addr, roster.Letter{Kind: roster.Tell, Entries: a.Entries})
	if err != nil {
		return // the roster tells again
	}
	n.decide(func(now time.Time) {
		for _, e := range a.Entries {
			if e.Instance == n.self {
				n.roster.Acked(now, reply.Sender, reply.Instance, e.Seq)
			}
		}
	})
}

// sync exchanges everything that is known with a peer.
func (n *Node) sync(ctx context.Context, addr string) error {
	_, err := n.write(ctx, addr, roster.Letter{Kind: roster.Sync, Entries: n.Entries()})
	return err
}

func (n *Node) ask(ctx context.Context, a roster.Action) {
	reply, err := n.write(ctx, a.Addr, roster.Letter{Kind: roster.Ask, Suspect: a.Suspect, SuspectInstance: a.Instance})
	if err != nil {
		return // the roster asks again, others too
	}
	n.decide(func(now time.Time) { n.roster.Answered(now, a.Suspect, a.Instance, reply.Reachable) })
}

// warnOfSkew says when this node's clock differs from the others'.
func (n *Node) warnOfSkew(ctx context.Context) {
	for warned := false; sleep(ctx, 10*time.Second); {
		n.mu.Lock()
		skew := n.roster.Skew(time.Now().Round(0))
		n.mu.Unlock()
		if off := skew.Abs() > skewWarning; off != warned {
			warned = off
			n.log.Warn("this node's clock against the median of its peers'; beyond a second it does not serve", "peers_ahead", skew, "too_far", off)
		}
	}
}
