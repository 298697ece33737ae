package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// Routes among divvy nodes, beside those of the gossip.
const (
	letterPath   = "/api/v1/divvy/letter"
	lifelinePath = "/api/v1/divvy/lifeline"
	maxLetter    = 4 << 20 // bytes
)

var (
	// errStale is what a node answers while it does not know yet what it
	// missed.
	errStale = errors.New("this node was stopped and has not withdrawn yet")
	errEnded = errors.New("this node has left the cluster")
	errBusy  = errors.New("too many requests at the same time")

	// errNoLetters is what a request comes to where nobody knows the route.
	errNoLetters = errors.New("it answers 404: it is no node of divvy's, or has no --cluster.enabled")
)

// A refusal is the answer of a node that takes no letters from this one.
type refusal struct{ status, text string }

// Error returns what it says.
func (r refusal) Error() string { return "it answers " + r.status + ": " + r.text }

// newClient returns the client of letters and lifelines: HTTP/2, with pings
// that find dead connections within four seconds.
func newClient(cfg Config) *http.Client {
	t := &http.Transport{
		DialContext:         cfg.Dial,
		TLSClientConfig:     cfg.TLS,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     30 * time.Second,
		Protocols:           new(http.Protocols),
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 2 * time.Second},
	}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(cfg.TLS == nil)
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// request returns a sealed request to a route of a peer, and its nonce.
func (n *Node) request(ctx context.Context, addr, path string, body []byte) (r *http.Request, nonce string, err error) {
	scheme := "http://"
	if n.cfg.TLS != nil {
		scheme = "https://"
	}
	r, err = http.NewRequestWithContext(ctx, http.MethodPost, scheme+addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	return r, n.seal.put(r, n.cfg.Cluster, body), nil
}

// Handler answers the routes of the cluster: those of the gossip, letters and
// lifelines.
func (n *Node) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", n.transport.Handler())
	mux.HandleFunc("POST "+letterPath, n.serveLetter)
	mux.HandleFunc("POST "+lifelinePath, n.serveLifeline)
	mux.HandleFunc("POST "+askPath, n.serveAsk)
	return n.guarded(mux)
}

// write sends a letter and returns the answer.
func (n *Node) write(ctx context.Context, addr string, l roster.Letter) (roster.Letter, error) {
	ctx, cancel := context.WithTimeout(ctx, letterTimeout)
	defer cancel()
	if n.stale() {
		return roster.Letter{}, errStale
	}
	l.Sender, l.Instance = n.cfg.Name, n.self
	req, nonce, err := n.request(ctx, addr, letterPath, roster.EncodeLetter(l))
	if err != nil {
		return roster.Letter{}, err
	}
	sent := time.Now()
	resp, err := n.client.Do(req)
	if err != nil {
		return roster.Letter{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxLetter))
	if err != nil {
		return roster.Letter{}, err
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return roster.Letter{}, errNoLetters
	case resp.StatusCode != http.StatusOK:
		return roster.Letter{}, refusal{resp.Status, firstLine(b)}
	}
	if err := n.seal.checkReply(resp, n.cfg.Cluster, nonce, b); err != nil {
		return roster.Letter{}, err
	}
	reply, err := roster.DecodeLetter(b)
	if err == nil {
		rtt := time.Since(sent)
		n.decide(func(now time.Time) {
			n.roster.Learn(now, reply.Entries...)
			n.roster.Compare(now, reply.Sender, reply.Pulse(), rtt)
		})
	}
	return reply, err
}

// admit checks what every request between nodes must have, and returns the
// nonce of its seal. It answers those that it does not admit. Of a node that
// serves no more, only letters are taken, and not every kind: see serveLetter.
func (n *Node) admit(w http.ResponseWriter, r *http.Request, body []byte) (nonce string, ok bool) {
	if cluster := r.Header.Get(clusterHeader); cluster != n.cfg.Cluster {
		n.refuse(w, r, http.StatusConflict, fmt.Errorf("this is cluster %q, not %.100q", n.cfg.Cluster, cluster))
		return "", false
	}
	nonce, err := n.seal.check(r, n.cfg.Cluster, body)
	switch {
	case err != nil:
		n.refuse(w, r, http.StatusUnauthorized, err)
	case n.stale():
		n.refuse(w, r, http.StatusServiceUnavailable, errStale)
	case n.ended() && r.URL.Path != letterPath:
		n.refuse(w, r, http.StatusServiceUnavailable, errEnded)
	default:
		return nonce, true
	}
	return "", false
}

// bodyOf reads what a request brings, and answers one that brings more than most
// bytes, or too slowly.
func (n *Node) bodyOf(w http.ResponseWriter, r *http.Request, most int64) (body []byte, ok bool) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(letterTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		n.refuse(w, r, http.StatusRequestEntityTooLarge, err)
		return nil, false
	}
	return body, true
}

// serveLetter answers a letter. A node that has left the cluster and finishes
// its work does not take part in anything any more, but it still vouches for
// others and takes notes for its components.
func (n *Node) serveLetter(w http.ResponseWriter, r *http.Request) {
	select {
	case n.answering <- struct{}{}:
		defer func() { <-n.answering }()
	default:
		n.refuse(w, r, http.StatusServiceUnavailable, errBusy)
		return
	}
	b, ok := n.bodyOf(w, r, maxLetter)
	if !ok {
		return
	}
	nonce, ok := n.admit(w, r, b)
	if !ok {
		return
	}
	l, err := roster.DecodeLetter(b)
	if err != nil {
		n.refuse(w, r, http.StatusBadRequest, err)
		return
	}
	if n.ended() && l.Kind != roster.Ask && l.Kind != roster.Note {
		n.refuse(w, r, http.StatusServiceUnavailable, errEnded)
		return
	}
	reply := roster.EncodeLetter(n.answer(r.Context(), l))
	n.seal.putReply(w, r, n.cfg.Cluster, nonce, reply)
	w.Write(reply)
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
			n.publish(now)
		})
	case roster.Ask:
		reply.Suspect, reply.SuspectInstance = l.Suspect, l.SuspectInstance
		reply.Reachable = n.reach(ctx, l.Suspect, l.SuspectInstance)
	case roster.Has:
		reply.Reachable = n.cfg.Has != nil && n.cfg.Has(l.Component)
	case roster.Note:
		if n.cfg.Told != nil {
			n.cfg.Told(l.Component, l.Sender, l.Note)
		}
	}
	p := n.pulse()
	reply.Clock, reply.Digest = p.Clock, p.Digest
	return reply
}

// AnyHas returns those of the components that can do their share of the work
// on another node, as far as nodes answer.
func (n *Node) AnyHas(ctx context.Context, components []string) []string {
	n.mu.Lock()
	peers := n.roster.Living(time.Now().Round(0))
	n.mu.Unlock()
	has := make([]atomic.Bool, len(components))
	var wg sync.WaitGroup
	for _, p := range peers {
		wg.Go(func() {
			for i, c := range components {
				if has[i].Load() {
					continue
				}
				reply, err := n.write(ctx, p.Addr, roster.Letter{Kind: roster.Has, Component: c})
				if err == nil && reply.Reachable {
					has[i].Store(true)
				}
			}
		})
	}
	wg.Wait()
	var list []string
	for i, c := range components {
		if has[i].Load() {
			list = append(list, c)
		}
	}
	return list
}

// reach reports whether that life of a node answers us.
func (n *Node) reach(ctx context.Context, name string, instance roster.Instance) bool {
	if name == n.cfg.Name && instance == n.self {
		return true
	}
	n.mu.Lock()
	addr, heard := n.roster.AddrOf(name, instance), n.roster.Hears(time.Now().Round(0), name, instance)
	n.mu.Unlock()
	if heard || addr == "" {
		return heard
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	reply, err := n.write(ctx, addr, roster.Letter{Kind: roster.Ask, Suspect: name, SuspectInstance: instance})
	return err == nil && reply.Instance == instance
}
