package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxAsking is how many nodes are asked at the same time.
const maxAsking = 64

// A hearing is the answers of all nodes to one question.
type hearing[T any] struct {
	said   []said[T] // this node's first
	silent []Silent
}

// said is the answer of one node.
type said[T any] struct {
	node string
	what T
}

// values returns the answers alone.
func (h hearing[T]) values() []T {
	list := make([]T, len(h.said))
	for i, s := range h.said {
		list[i] = s.what
	}
	return list
}

// ask asks all other nodes the same, and returns when all have answered or were
// waited for long enough. self is this node's own answer.
func ask[T any](ctx context.Context, r *Reporter, req request, self func() T) hearing[T] {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	peers := r.others()
	answers, errs := make([]T, len(peers)), make([]error, len(peers))
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxAsking)
	for i, p := range peers {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i], errs[i] = askOne[T](ctx, r, p, req)
		})
	}
	h := hearing[T]{said: []said[T]{{r.cfg.Self, self()}}}
	wg.Wait()
	for i, p := range peers {
		if err := errs[i]; err != nil {
			h.silent = append(h.silent, Silent{Name: p.Name, Addr: p.Addr, State: p.State, Reason: reason(err)})
			continue
		}
		h.said = append(h.said, said[T]{p.Name, answers[i]})
	}
	return h
}

// peers returns everybody that is known.
func (r *Reporter) peers() []Peer {
	if r.cfg.Peers == nil {
		return nil
	}
	return r.cfg.Peers()
}

// others returns the other nodes that live.
func (r *Reporter) others() []Peer {
	return slices.DeleteFunc(r.peers(), func(p Peer) bool { return p.Self || p.Gone })
}

// lasting returns ctx for what is made for others, too: they wait for it even
// when the one who asked first does not.
func lasting(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// errForeign is why a node of other software does not answer.
var errForeign = errors.New("of other software")

// askOne asks one node.
func askOne[T any](ctx context.Context, r *Reporter, p Peer, req request) (answer T, err error) {
	if p.Foreign {
		return answer, errForeign
	}
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	body, err := json.Marshal(req)
	if err != nil {
		panic("BUG: encode request: " + err.Error())
	}
	b, err := r.cfg.Ask(ctx, p.Name, body)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return answer, fmt.Errorf("decode answer: %w", err)
	}
	return answer, nil
}

// reason says in a few words why a node gave no answer.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", patience)
	}
	return err.Error()
}
