package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Questions between nodes, apart from the membership's own: what one part of
// the program asks the same part of it on another node.
//
//	POST /api/v1/divvy/ask/<kind>/<sender>      body: the question
//	200, gzip                                   body: the answer
//
// They are sealed and admitted like letters, with one difference: a node that
// is leaving, or that was stopped and has not withdrawn yet, answers as well.
// It only tells of itself. A node that lives where another one did, under another
// name, answers 421: it is not the one that is meant.
const (
	askedHeader = "Divvy-Asked" // the name of the node that is meant, escaped as in a path
	askPath     = "/api/v1/divvy/ask/"
	maxAsk      = 1 << 20  // bytes of a question
	maxReply    = 64 << 20 // bytes of an answer, before and after compression
	maxReplies  = 16       // questions that are answered at the same time
	askTimeout  = 10 * time.Second
)

// An Answer is what a node answers to a question of the node from. It may be
// called by several goroutines at the same time.
type Answer func(ctx context.Context, from string, question []byte) ([]byte, error)

// asks is what a node can be asked.
type asks struct {
	mu      sync.Mutex
	answers map[string]Answer // by kind

	once   sync.Once
	active chan struct{} // has an item for each question that is answered
}

// slots returns active.
func (a *asks) slots() chan struct{} {
	a.once.Do(func() { a.active = make(chan struct{}, maxReplies) })
	return a.active
}

// answer returns who answers questions of a kind, or nil.
func (a *asks) answer(kind string) Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answers[kind]
}

// Answer lets f answer the questions of a kind from now on.
func (n *Node) Answer(kind string, f Answer) {
	n.asks.mu.Lock()
	defer n.asks.mu.Unlock()
	if n.asks.answers == nil {
		n.asks.answers = map[string]Answer{}
	}
	n.asks.answers[kind] = f
}

// Ask asks another living node a question of a kind, and returns what its
// Answer says, or why it said nothing.
func (n *Node) Ask(ctx context.Context, node, kind string, question []byte) ([]byte, error) {
	addr := n.livingAddr(node)
	if addr == "" {
		return nil, fmt.Errorf("ask %s: it is not a living node of this cluster", node)
	}
	path := askPath + url.PathEscape(kind) + "/" + url.PathEscape(n.cfg.Name)
	req, nonce, err := n.request(ctx, addr, path, question)
	if err != nil {
		return nil, err
	}
	req.Header.Set(askedHeader, url.PathEscape(node))
	req.Header.Set("Accept-Encoding", "gzip") // and the client lets it as it is: the seal is on that
	resp, err := n.client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close()
	b, err := readAtMost(resp.Body, maxReply)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %s: %s", resp.Status, firstLine(b))
	}
	if err := n.seal.checkReply(resp, n.cfg.Cluster, nonce, b); err != nil {
		return nil, err
	}
	return inflate(b, maxReply)
}

// livingAddr returns where a node answers that has not been found dead, or "".
func (n *Node) livingAddr(name string) string {
	for _, p := range n.Peers() {
		if p.Name == name && !p.Self && p.Entry.Instance != 0 {
			return p.Addr
		}
	}
	return ""
}

// withoutURL returns what the client met, without the address that people see
// beside it anyway.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// serveAsk answers a question.
func (n *Node) serveAsk(w http.ResponseWriter, r *http.Request) {
	question, ok := n.bodyOf(w, r, maxAsk)
	if !ok {
		return
	}
	nonce, ok := n.admitQuestion(w, r, question)
	if !ok {
		return
	}
	if asked := r.Header.Get(askedHeader); asked != "" && asked != url.PathEscape(n.cfg.Name) {
		n.refuse(w, r, http.StatusMisdirectedRequest, fmt.Errorf("this is node %q", n.cfg.Name))
		return
	}
	kind, from, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, askPath), "/")
	f := n.asks.answer(kind)
	if f == nil {
		http.Error(w, fmt.Sprintf("this version answers no questions about %.100q", kind), http.StatusNotFound)
		return
	}
	slots := n.asks.slots()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-r.Context().Done():
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	answer, err := f(ctx, from, question)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	body := deflate(answer)
	w.Header().Set("Content-Encoding", "gzip")
	n.seal.putReply(w, r, n.cfg.Cluster, nonce, body)
	_, _ = w.Write(body) // a node that has left does not hear of it
}

// admitQuestion is admit for questions: see above.
func (n *Node) admitQuestion(w http.ResponseWriter, r *http.Request, question []byte) (nonce string, ok bool) {
	if cluster := r.Header.Get(clusterHeader); cluster != n.cfg.Cluster {
		n.refuse(w, r, http.StatusConflict, fmt.Errorf("this is cluster %q, not %.100q", n.cfg.Cluster, cluster))
		return "", false
	}
	nonce, err := n.seal.check(r, n.cfg.Cluster, question)
	if err != nil {
		n.refuse(w, r, http.StatusUnauthorized, err)
		return "", false
	}
	return nonce, true
}

// deflate compresses an answer.
func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		panic("BUG: make a gzip writer: " + err.Error())
	}
	w.Write(b) // a Buffer takes everything
	w.Close()
	return out.Bytes()
}

// inflate is the inverse of deflate. It fails for more than limit bytes.
func inflate(b []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("inflate answer: %w", err)
	}
	out, err := readAtMost(r, limit)
	if err != nil {
		return nil, fmt.Errorf("inflate answer: %w", err)
	}
	return out, nil
}

// readAtMost reads all of r, or fails if that is more than limit bytes.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("answer is longer than %d bytes", limit)
	}
	return b, err
}
