package e2e

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// flooding is how long and with how many attempts a second a stranger tries to
// join.
const (
	floodFor  = 10 * time.Second
	floodRate = 10_000
)

// A stranger that tries to join ten thousand times a second keeps nobody from
// anything: by letters of another cluster, and by packets and streams of a
// gossip that is none.
func TestAFloodOfJoinsCostsNoSlot(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the machine")
	}
	c, from := started(t, "a", "b", "c")
	tr := &http.Transport{Protocols: new(http.Protocols), MaxConnsPerHost: 8}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), floodFor)
	defer cancel()
	var sent, admitted atomic.Int64
	attempt := func(i int64) {
		path := []string{"/api/v1/divvy/letter", "/api/v1/ckit/transport/message", "/api/v1/ckit/transport/stream"}[i%3]
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.node("a").addr+path, bytes.NewReader([]byte{0xCC, 0, 3, 1, 2, 3}))
		r.Header.Set("Content-Type", "application/x.ckit")
		r.Header.Set("Divvy-Cluster", "another")
		sent.Add(1)
		if resp, err := tr.RoundTrip(r); err == nil {
			if resp.StatusCode == http.StatusOK && i%3 == 0 {
				admitted.Add(1)
			}
			resp.Body.Close()
		}
	}
	var wg sync.WaitGroup
	begin := time.Now()
	for range 64 {
		wg.Go(func() {
			for ctx.Err() == nil {
				// No faster than the rate; a machine that cannot is let off.
				if i := sent.Load(); float64(i) < floodRate*time.Since(begin).Seconds() {
					attempt(i)
				} else {
					<-time.After(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d attempts in %s", sent.Load(), time.Since(begin))
	c.wait(2 * slotEvery)
	if admitted.Load() > 0 {
		t.Errorf("%d letters of a stranger were admitted", admitted.Load())
	}
	if !c.agree("a", "b", "c") {
		t.Error("the nodes do not agree any more")
	}
	c.flawless(from)
}
