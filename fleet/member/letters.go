package member

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// Routes among divvy nodes, beside those of the gossip.
const (
	letterPath   = "/api/v1/divvy/letter"
	lifelinePath = "/api/v1/divvy/lifeline"
	maxLetter    = 4 << 20 // bytes
)

// newClient returns the client of letters and lifelines: HTTP/2, with pings
// that find dead connections within four seconds.
func newClient(cfg Config) *http.Client {
	t := &http.Transport{
		DialContext:     cfg.Dial,
		TLSClientConfig: cfg.TLS,
		Protocols:       new(http.Protocols),
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 2 * time.Second},
	}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(cfg.TLS == nil)
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// url returns the address of a route at a peer.
func (n *Node) url(addr, path string) string {
	if n.cfg.TLS != nil {
		return "https://" + addr + path
	}
	return "http://" + addr + path
}

// Handler answers the routes of the cluster: those of the gossip, letters and
// lifelines.
func (n *Node) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", n.transport.Handler())
	mux.HandleFunc("POST "+letterPath, n.serveLetter)
	mux.HandleFunc("POST "+lifelinePath, n.serveLifeline)
	return mux
}

// write sends a letter and returns the answer.
func (n *Node) write(ctx context.Context, addr string, l roster.Letter) (roster.Letter, error) {
	ctx, cancel := context.WithTimeout(ctx, letterTimeout)
	defer cancel()
	if n.stale() {
		return roster.Letter{}, errStale
	}
	l.Sender, l.Instance = n.cfg.Name, n.self
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url(addr, letterPath), bytes.NewReader(roster.EncodeLetter(l)))
	if err != nil {
		return roster.Letter{}, err
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return roster.Letter{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxLetter))
	if err != nil {
		return roster.Letter{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return roster.Letter{}, fmt.Errorf("peer answers %s: %s", resp.Status, bytes.TrimSpace(b))
	}
	return roster.DecodeLetter(b)
}

// serveLetter answers a letter.
func (n *Node) serveLetter(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLetter))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	l, err := roster.DecodeLetter(b)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if n.stale() {
		http.Error(w, errStale.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Write(roster.EncodeLetter(n.answer(r.Context(), l)))
}

// answer takes a letter in and returns the reply.
func (n *Node) answer(ctx context.Context, l roster.Letter) roster.Letter {
	reply := roster.Letter{Kind: l.Kind, Sender: n.cfg.Name, Instance: n.self}
	switch l.Kind {
	case roster.Tell, roster.Sync:
		n.decide(func(now time.Time) {
			n.roster.Heard(now, l.Sender, l.Instance)
			n.roster.Learn(now, l.Entries...)
			if l.Kind == roster.Sync {
				reply.Entries = n.roster.Entries()
			} else {
				reply.Entries = []roster.Entry{n.roster.Self()}
			}
		})
	case roster.Ask:
		reply.Suspect, reply.SuspectInstance = l.Suspect, l.SuspectInstance
		reply.Reachable = n.reach(ctx, l.Suspect, l.SuspectInstance)
	}
	return reply
}

// reach reports whether that life of a node answers us.
func (n *Node) reach(ctx context.Context, name string, instance roster.Instance) bool {
	if name == n.cfg.Name {
		return instance == n.self
	}
	for _, e := range n.peers.Load() {
		if e.Name == name && e.Instance == instance {
			ctx, cancel := context.WithTimeout(ctx, letterTimeout/2)
			defer cancel()
			reply, err := n.write(ctx, e.Addr, roster.Letter{Kind: roster.Ask, Suspect: name, SuspectInstance: instance})
			return err == nil && reply.Reachable
		}
	}
	return false
}
