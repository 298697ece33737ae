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
	tries           int // in vain
}

// noteTimeout bounds one try to send a note.
const noteTimeout = 2 * time.Second

// Tell sends a note to a component on another node, which gets it by its
// Config.Told. It returns at once and promises nothing: it is tried again for
// some seconds, and lost if that node is dead or does not answer in that time,
// or if too many notes wait to be sent. text is not changed any more.
func (n *Node) Tell(node, component string, text []byte) {
	n.queueNote(note{node: node, component: component, text: text})
}

// queueNote adds a note to those that wait to be sent, if there is room.
func (n *Node) queueNote(x note) {
	select {
	case n.notes <- x:
	default:
		n.log.Warn("note to a peer was lost: too many are on their way", "peer", x.node, "component", x.component)
	}
}

// sendNotes sends notes until ctx is done, some at the same time: a peer that
// does not answer must not keep the others waiting. What components told by
// then is still sent, if that takes no more than a moment: they end before.
func (n *Node) sendNotes(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastNotes, cancel) })()
	again := make(chan struct{}, maxNotes) // has an item for each note that waits for another try
	var wg sync.WaitGroup
	defer wg.Wait()
	for range maxNoting {
		wg.Go(func() {
			for x, ok := n.nextNote(ctx); ok; x, ok = n.nextNote(ctx) {
				if n.trySend(sending, x) || x.tries == maxTries-1 || ctx.Err() != nil {
					continue
				}
				select {
				case again <- struct{}{}:
					wg.Go(func() {
						defer func() { <-again }()
						n.sendLater(ctx, x)
					})
				default:
				}
			}
		})
	}
	<-ctx.Done()
}

// nextNote returns the next note to be sent; after ctx is done only one that
// waits already.
func (n *Node) nextNote(ctx context.Context) (note, bool) {
	select {
	case x := <-n.notes:
		return x, true
	default:
	}
	select {
	case x := <-n.notes:
		return x, true
	case <-ctx.Done():
		return note{}, false
	}
}

// trySend sends a note once. It reports whether the peer has it. One that has
// been found dead may say yet that it lives.
func (n *Node) trySend(ctx context.Context, x note) bool {
	addr := n.addrOf(x.node)
	if addr == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	_, err := n.write(ctx, addr, roster.Letter{Kind: roster.Note, Component: x.component, Note: x.text})
	if err != nil {
		n.log.Debug("note to a peer did not arrive", "peer", x.node, "component", x.component, "tries", x.tries+1, "err", err)
	}
	return err == nil
}

// sendLater queues a note again after a while, which is longer each time.
func (n *Node) sendLater(ctx context.Context, x note) {
	if sleep(ctx, tickEvery<<x.tries) {
		x.tries++
		n.queueNote(x)
	}
}

// Reaches reports whether notes to a node may arrive: it is of this software
// and has not been found dead. One that has left takes them to its very end.
func (n *Node) Reaches(node string) bool { return n.addrOf(node) != "" }

// addrOf returns where the node of that name takes notes, or "": its life that
// serves, else the one that left last.
func (n *Node) addrOf(name string) string {
	now, addr := time.Now(), ""
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.roster.Entries()[1:] {
		if e.Name != name || e.Down {
			continue
		}
		addr = e.Addr
		if e.Until.IsZero() || now.Before(e.Until) {
			break
		}
	}
	return addr
}
