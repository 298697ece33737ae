package member

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// errStale is what a node answers while it does not know yet what it missed.
var errStale = errors.New("this node was stopped and has not withdrawn yet")

// Run keeps the membership until ctx is done. Handler is served meanwhile.
func (n *Node) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { n.renewMetadata(ctx) })
	wg.Go(func() { n.seek(ctx) })
	wg.Go(func() { n.heal(ctx) })
	wg.Go(func() { n.keepLifelines(ctx) })
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
	stopped := n.stale()
	if stopped {
		n.log.Warn("this node was stopped or starved; it withdraws and joins again", "for", n.cfg.Stall)
		n.transport.SetGate(true)
	}
	n.mu.Lock()
	now := time.Now().Round(0)
	if stopped {
		n.roster.Fence(now)
	}
	n.roster.Tick(now)
	actions := n.roster.Take()
	n.publish()
	n.mu.Unlock()
	n.touch()
	if stopped {
		n.transport.SetGate(false)
	}
	for _, a := range actions {
		n.perform(ctx, wg, a)
	}
}

// perform does one action, what takes time in a goroutine of its own.
func (n *Node) perform(ctx context.Context, wg *sync.WaitGroup, a roster.Action) {
	switch a.Do {
	case roster.Announce:
		signal(n.renew)
	case roster.Tell:
		wg.Go(func() { n.tell(ctx, a) })
	case roster.Sync:
		wg.Go(func() { n.sync(ctx, a.Addr) })
	case roster.Ask:
		wg.Go(func() { n.ask(ctx, a) })
	case roster.Participate:
		n.state(ckit.Participant)
	case roster.Terminate:
		n.state(ckit.Terminating)
	case roster.Depart:
		n.mu.Lock()
		if !n.left {
			n.left = true
			close(n.departed)
		}
		n.mu.Unlock()
	}
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
	if to == ckit.Participant && n.states.Of(n.cfg.Name) == ckit.Participant {
		n.states.Restart()
	}
	st, err := n.states.Change(to)
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
				n.roster.Acked(now, a.Peer, e.Seq)
			}
		}
		n.roster.Learn(now, reply.Entries...)
	})
}

// sync exchanges everything that is known with a peer.
func (n *Node) sync(ctx context.Context, addr string) error {
	reply, err := n.write(ctx, addr, roster.Letter{Kind: roster.Sync, Entries: n.Entries()})
	if err == nil {
		n.decide(func(now time.Time) { n.roster.Learn(now, reply.Entries...) })
	}
	return err
}

func (n *Node) ask(ctx context.Context, a roster.Action) {
	reply, err := n.write(ctx, a.Addr, roster.Letter{Kind: roster.Ask, Suspect: a.Suspect, SuspectInstance: a.Instance})
	if err != nil {
		return // the roster asks again, others too
	}
	n.decide(func(now time.Time) {
		n.roster.Heard(now, a.Peer, reply.Instance)
		n.roster.Answered(now, a.Suspect, a.Instance, reply.Reachable)
	})
}

// renewMetadata gossips the metadata after each change. memberlist may drop an
// update that races with a refutation of its own, so it is done again.
func (n *Node) renewMetadata(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.renew:
		}
		if err := n.list.UpdateNode(letterTimeout); err != nil || string(n.list.LocalNode().Meta) != string(*n.metadata.Load()) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(tickEvery):
				signal(n.renew)
			}
		}
	}
}
