package remote

import (
	"context"
	"time"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry"
)

// work is the memory of a commit, used again by the next.
type work struct {
	blocks  []*wire.Block
	records []queue.Record // to be appended; those of a commit that failed come first
	arena   []byte         // payloads of records
}

// commit writes everything that was appended before to the log, with one
// Append. What the log refuses is kept for the next commit. The wait for the
// token is a wait for the disk, so it can be cancelled, unlike that for a lock.
func (e *endpoint) commit(ctx context.Context) error {
	select {
	case <-e.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case e.committing <- struct{}{}:
		defer func() { <-e.committing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return e.work.commit(e)
}

// commit does it; the caller has the token.
func (w *work) commit(e *endpoint) error {
	w.blocks = e.takeBlocks(w.blocks[:0])
	size := 0
	var sum wire.Counts
	var found wire.Verdict
	for _, b := range w.blocks {
		w.add(b)
		size += b.Size()
		sum = sum.Plus(b.Counts)
		found = found.Plus(b.Verdict)
		if b.Kind != wire.KindMetadata1 {
			e.metrics.highest.raise(b.MaxTime)
		}
	}
	e.metrics.in(sum)
	e.judge(found)
	e.giveBack(w.blocks)
	if len(w.records) == 0 {
		return nil
	}
	if err := e.queue.Append(w.records...); err != nil {
		w.arena = nil
		e.retain(w.records)
		return err
	}
	e.metrics.committed.Add(float64(itemsOf(w.records)))
	clear(w.records)
	w.records, w.arena = w.records[:0], w.arena[:0]
	e.retain(nil)
	return nil
}

// judge tells what audits have found. Damaged pieces were replaced already.
func (e *endpoint) judge(v wire.Verdict) {
	e.metrics.checked.Add(float64(v.Checked))
	e.metrics.damaged.Add(float64(v.Damaged))
	e.metrics.torn.Add(float64(v.Torn))
	if v.Damaged+v.Torn > 0 && e.distrust.CompareAndSwap(false, true) {
		e.log.Error("samples were not encoded as they should be, which a check has found and put right; "+
			"this endpoint is written to by a slower path from now on: please report it, and test the memory of this machine",
			"pieces", v.Damaged, "series_with_wrong_labels", v.Torn)
	}
}

// itemsOf returns the number of samples and histograms in recs.
func itemsOf(recs []queue.Record) (n int) {
	for _, r := range recs {
		n += int(r.Items)
	}
	return n
}

// add compresses b into a record.
func (w *work) add(b *wire.Block) {
	at := len(w.arena)
	w.arena = b.Compress(w.arena)
	w.records = append(w.records, queue.Record{
		Kind:    b.Kind,
		Lane:    b.Lane,
		Lanes:   b.Lanes,
		Items:   uint32(b.Samples + b.Histograms),
		MinTime: b.MinTime,
		MaxTime: b.MaxTime,
		Payload: w.arena[at:len(w.arena):len(w.arena)],
	})
}

// takeBlocks moves every block with content to list, in the order in which
// those of one lane were filled.
func (e *endpoint) takeBlocks(list []*wire.Block) []*wire.Block {
	e.mu.Lock()
	defer e.mu.Unlock()
	for lane := range e.blocks {
		e.sealLocked(lane)
	}
	list = append(list, e.sealed...)
	clear(e.sealed)
	e.sealed = e.sealed[:0]
	return list
}

const (
	// maxSealed full blocks are committed without waiting for more.
	maxSealed = 8

	// maxFree bounds the blocks that are kept for later: those of a commit, and
	// those that are filled meanwhile.
	maxFree = maxSealed + 2
)

// giveBack makes blocks empty and keeps some.
func (e *endpoint) giveBack(list []*wire.Block) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range list {
		if len(e.free) < maxFree {
			e.free = append(e.free, b)
		}
	}
	clear(list)
}

// retain accounts for the records that the log refused.
func (e *endpoint) retain(recs []queue.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending = 0
	for _, r := range recs {
		e.pending += len(r.Payload)
	}
	for _, b := range e.sealed {
		e.pending += b.Size()
	}
	for _, b := range e.blocks {
		if b != nil {
			e.pending += b.Size()
		}
	}
	if e.pending > 0 {
		signal(e.kick)
	}
}

// commitSoon ends the wait for more, if there is anything to commit.
func (e *endpoint) commitSoon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending > 0 {
		signal(e.full)
	}
}

// keepCommitting commits commitAfter after the first sample, or sooner when
// maxSealed blocks are full or somebody says that nothing more comes, until
// done.
func (e *endpoint) keepCommitting(done <-chan struct{}) {
	for {
		select {
		case <-e.kick:
		case <-done:
			return
		}
		select {
		case <-time.After(commitAfter):
		case <-e.full:
		case <-done:
			return
		}
		e.failing.disk(e, e.commit(context.Background()))
	}
}

// addMetadata puts the metadata of list into blocks of their own.
func (e *endpoint) addMetadata(list []telemetry.Metadata) {
	set, now := e.settings.Load(), time.Now().UnixMilli()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(list) > 0 {
		n := min(len(list), set.Metadata.MaxEntries)
		b := new(wire.Block)
		b.Reset(wire.KindMetadata1, 0, uint16(e.lanes))
		for _, md := range list[:n] {
			b.AddMetadata(md, now)
		}
		e.pending += b.Size()
		e.sealed = append(e.sealed, b)
		list = list[n:]
	}
	signal(e.kick)
}
