package queue

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/vfs"
)

// Four appenders, a consumer, three that ack and a housekeeper: each record
// comes out once, those of one appender in order.
func TestManyGoroutinesLoseNothing(t *testing.T) {
	const appenders, each = 4, 200
	l := open(t, Config{
		FS: vfs.NewMem(), Dir: "q", SegmentBytes: 20_000, MaxBytes: 1 << 30, SyncEvery: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	acks := make(chan Entry, 16)
	for lane := range appenders {
		wg.Go(func() {
			for i := range each {
				r := Record{Lane: uint16(lane), Items: uint32(i), Payload: make([]byte, 50+i)}
				r.Payload[49] = byte(i)
				if err := l.Append(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		defer cancel()
		defer close(acks)
		consume(ctx, t, l.Log, appenders*each, acks)
	})
	for range 3 {
		wg.Go(func() {
			for e := range acks {
				if len(e.Payload) != 50+int(e.Items) || e.Payload[49] != byte(e.Items) {
					t.Errorf("payload of record %d changed before it was acked", e.Items)
				}
				l.Ack(e.Seq)
				l.Stats()
			}
		})
	}
	wg.Go(func() { l.Run(ctx) })
	wg.Wait()
	l.close()
	if s := l.Stats(); s.Records != 0 || s.InFlight != 0 || s.Degraded != nil {
		t.Errorf("%+v", s)
	}
}

// consume passes n records on and checks the order in each lane.
func consume(ctx context.Context, t *testing.T, l *Log, n int, acks chan<- Entry) {
	next := map[uint16]uint32{}
	for range n {
		e, err := l.Next(ctx)
		if err != nil || e.Items != next[e.Lane] {
			t.Errorf("lane %d: got %d, %v; want %d", e.Lane, e.Items, err, next[e.Lane])
			return
		}
		next[e.Lane]++
		acks <- e
	}
}
