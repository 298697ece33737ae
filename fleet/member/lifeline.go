package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// errAnew is what a lifeline ends with that another life answers.
var errAnew = errors.New("address answers as another instance")

// serveLifeline sends pulses until the peer or this node goes.
func (n *Node) serveLifeline(w http.ResponseWriter, r *http.Request) {
	nonce, ok := n.admit(w, r, nil)
	if !ok {
		return
	}
	n.seal.putReply(w, r, n.cfg.Cluster, nonce, nil)
	rc := http.NewResponseController(w)
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	for !n.stale() {
		b := roster.EncodePulse(n.pulse())
		_ = rc.SetWriteDeadline(time.Now().Add(letterTimeout))
		if _, err := w.Write(append([]byte{byte(len(b))}, b...)); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-n.departed:
			return
		case <-n.done:
			return
		case <-ticker.C:
		}
	}
}

// keepLifelines keeps a lifeline to each peer that the roster watches.
func (n *Node) keepLifelines(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	held := map[roster.Instance]context.CancelFunc{}
	for ctx.Err() == nil {
		watched, changed := n.watched.Get()
		want := map[roster.Instance]roster.Entry{}
		for _, e := range watched {
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
		case <-changed:
		}
	}
	for _, cancel := range held {
		cancel()
	}
}

// keepLifeline reads a peer's pulses until ctx is done. When they end and a
// new connection is refused, the peer's process is gone; when another life
// answers, it tells of itself.
func (n *Node) keepLifeline(ctx context.Context, e roster.Entry) {
	for wait := time.Duration(0); ctx.Err() == nil; wait = tickEvery {
		if !sleep(ctx, wait) {
			return
		}
		pulses, err := n.readPulses(ctx, e)
		if pulses > 0 && ctx.Err() == nil {
			_, err = n.readPulses(ctx, e) // at once, for it may have been the last
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errAnew):
			_ = n.sync(ctx, e.Addr)
		case errors.Is(err, syscall.ECONNREFUSED) && !n.stale():
			n.decide(func(now time.Time) { n.roster.Doubt(now, e.Name, e.Instance) })
		}
	}
}

// sleep waits for d. It returns false if ctx is done before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// readPulses opens a lifeline and notes its pulses until it ends. It returns
// how many there were.
func (n *Node) readPulses(ctx context.Context, e roster.Entry) (pulses int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, nonce, err := n.request(ctx, e.Addr, lifelinePath, nil)
	if err != nil {
		return 0, err
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("peer %s answers %s", e.Addr, resp.Status)
	}
	if err := n.seal.checkReply(resp, n.cfg.Cluster, nonce, nil); err != nil {
		return 0, fmt.Errorf("peer %s: %w", e.Addr, err)
	}
	var buf [1 << 8]byte
	for ; ; pulses++ {
		if _, err := io.ReadFull(resp.Body, buf[:1]); err != nil {
			return pulses, err
		}
		b := buf[:buf[0]]
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			return pulses, err
		}
		p, err := roster.DecodePulse(b)
		switch {
		case err != nil:
			return pulses, err
		case p.Instance != e.Instance:
			return pulses, errAnew
		case !n.stale():
			n.decide(func(now time.Time) { n.roster.Compare(now, e.Name, p, -1) })
		}
	}
}
