package member

import (
	"context"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// A note is something that a component tells the one of the same ID on another
// node.
type note struct {
	node, component string
	text            []byte
}

// Tell sends a note to a component on another node, which gets it by its
// Config.Told. It returns at once and promises nothing: a note is lost if that
// node is not there or does not answer, or if too many notes wait to be sent.
// text is not changed any more.
func (n *Node) Tell(node, component string, text []byte) {
	select {
	case n.notes <- note{node, component, text}:
	default:
		n.log.Warn("note to a peer was lost: too many are on their way", "peer", node, "component", component)
	}
}

// sendNotes sends notes until ctx is done, some at the same time: a peer that
// does not answer must not keep the others waiting.
func (n *Node) sendNotes(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range maxNoting {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case x := <-n.notes:
					n.sendNote(ctx, x)
				}
			}
		})
	}
	<-ctx.Done()
}

func (n *Node) sendNote(ctx context.Context, x note) {
	addr := n.addrOf(x.node)
	if addr == "" {
		return // it has gone meanwhile
	}
	if _, err := n.write(ctx, addr, roster.Letter{Kind: roster.Note, Component: x.component, Note: x.text}); err != nil {
		n.log.Debug("note to a peer was lost", "peer", x.node, "component", x.component, "err", err)
	}
}

// addrOf returns where the living node of that name answers, or "".
func (n *Node) addrOf(name string) string {
	now := time.Now()
	for _, e := range n.Entries()[1:] {
		if e.Name == name && !e.Down && (e.Until.IsZero() || now.Before(e.Until)) {
			return e.Addr
		}
	}
	return ""
}
