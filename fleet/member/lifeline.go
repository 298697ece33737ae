package member

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// A lifeline is the body of an answer that stays open: pulses, each
//
//	| length uint8 | pulse |
//
// one every pulseEvery.

// serveLifeline sends pulses until the peer or this node goes.
func (n *Node) serveLifeline(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex()
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	for !n.stale() {
		b := roster.EncodePulse(n.pulse())
		if _, err := w.Write(append([]byte{byte(len(b))}, b...)); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-n.departed:
			return
		case <-ticker.C:
		}
	}
}

// keepLifelines keeps one lifeline to each peer, or to some if there are many.
func (n *Node) keepLifelines(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	held := map[roster.Instance]context.CancelFunc{}
	for {
		peers, changed := n.peers.Get()
		want := map[roster.Instance]roster.Entry{}
		for _, e := range n.chosen(peers) {
			want[e.Instance] = e
		}
		for instance, cancel := range held {
			if _, ok := want[instance]; !ok {
				cancel()
				delete(held, instance)
			}
		}
		for instance, e := range want {
			if held[instance] == nil {
				hold, cancel := context.WithCancel(ctx)
				held[instance] = cancel
				wg.Go(func() { n.keepLifeline(hold, e) })
			}
		}
		select {
		case <-ctx.Done():
			for _, cancel := range held {
				cancel()
			}
			return
		case <-changed:
		}
	}
}

// chosen returns the peers that this node watches: all, or those that follow
// it by name.
func (n *Node) chosen(peers []roster.Entry) []roster.Entry {
	if len(peers) <= maxLifelines {
		return peers
	}
	after := slices.IndexFunc(peers, func(e roster.Entry) bool { return e.Name > n.cfg.Name })
	var list []roster.Entry
	for i := range someLifelines {
		list = append(list, peers[(max(after, 0)+i)%len(peers)])
	}
	return list
}

// keepLifeline reads a peer's pulses until ctx is done. When they end and a
// new connection is refused, the peer's process is gone.
func (n *Node) keepLifeline(ctx context.Context, e roster.Entry) {
	for ctx.Err() == nil {
		err := n.readPulses(ctx, e)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, syscall.ECONNREFUSED) && !n.stale() {
			n.decide(func(now time.Time) { n.roster.Doubt(now, e.Name, e.Instance) })
		}
		select {
		case <-ctx.Done():
		case <-time.After(tickEvery):
		}
	}
}

// readPulses opens a lifeline and notes its pulses until it ends.
func (n *Node) readPulses(ctx context.Context, e roster.Entry) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url(e.Addr, lifelinePath), nil)
	if err != nil {
		return err
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	for {
		var size [1]byte
		if _, err := io.ReadFull(resp.Body, size[:]); err != nil {
			return err
		}
		b := make([]byte, size[0])
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			return err
		}
		p, err := roster.DecodePulse(b)
		if err != nil {
			return err
		}
		n.decide(func(now time.Time) { n.roster.Compare(now, e.Name, p, 0) })
	}
}
