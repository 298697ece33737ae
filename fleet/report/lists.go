package report

import (
	"context"
	"fmt"
	"sync"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// lists remembers the targets of other nodes, which are asked for where they
// differ from this node's.
type lists struct {
	mu   sync.Mutex
	held map[listKey][]status.Target
}

// A listKey identifies a list: nodes with equal hashes have equal ones.
type listKey struct{ component, hash string }

// A fetch is a list that is asked for.
type fetch struct {
	node string // one of those that have it
	list []status.Target
	err  error
}

// fetchLists adds the lists of targets to what the nodes said. A node whose
// list cannot be had is silent.
func (r *Reporter) fetchLists(ctx context.Context, heard []said[served]) (accounts []account, silent []Silent) {
	held := r.heldLists()
	fetched := map[listKey]*fetch{}
	for _, s := range heard {
		for _, d := range s.what.Digests {
			if key := (listKey{d.Component, d.Hash}); held[key] == nil && d.Count > 0 && fetched[key] == nil {
				fetched[key] = &fetch{node: s.node}
			}
		}
	}
	r.fetchAll(ctx, fetched)
	used := map[listKey][]status.Target{}
	for _, s := range heard {
		a := account{node: s.node, served: s.what}
		var failed error
		for _, d := range a.Digests {
			key := listKey{d.Component, d.Hash}
			list := held[key]
			if f := fetched[key]; f != nil {
				list, failed = f.list, firstError(failed, f.err)
			}
			used[key] = list
			a.lists = append(a.lists, list)
		}
		if failed != nil {
			silent = append(silent, r.silentOf(s.node, fmt.Errorf("list targets: %w", failed)))
			continue
		}
		accounts = append(accounts, a)
	}
	r.lists.mu.Lock()
	defer r.lists.mu.Unlock()
	r.lists.held = used
	return accounts, silent
}

// firstError returns the first of two errors that is one.
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// fetchAll asks for lists, all at the same time.
func (r *Reporter) fetchAll(ctx context.Context, fetched map[listKey]*fetch) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var wg sync.WaitGroup
	for key, f := range fetched {
		wg.Go(func() {
			f.list, f.err = askOne[[]status.Target](ctx, r, Peer{Name: f.node}, request{Want: wantList, Component: key.component})
		})
	}
	wg.Wait()
}

// heldLists returns this node's targets, and those of others that are
// remembered.
func (r *Reporter) heldLists() map[listKey][]status.Target {
	held := map[listKey][]status.Target{}
	r.lists.mu.Lock()
	for key, list := range r.lists.held {
		if list != nil {
			held[key] = list
		}
	}
	r.lists.mu.Unlock()
	inv := r.inventory()
	for i := range inv.sets {
		s := &inv.sets[i]
		held[listKey{s.component, hash(s.hash)}] = s.targets
	}
	return held
}

// silentOf says that a node did not answer.
func (r *Reporter) silentOf(node string, err error) Silent {
	s := Silent{Name: node, Reason: reason(err)}
	for _, p := range r.others() {
		if p.Name == node {
			s.Addr, s.State = p.Addr, p.State
		}
	}
	return s
}
