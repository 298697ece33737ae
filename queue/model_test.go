package queue

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/vfs"
)

// model is the dumb twin of a Log: slices of record numbers.
type model struct {
	appended  int
	next      int   // to be handed out
	flying    []int // handed out, not acked
	persisted int   // low at the last housekeeping
	waiting   []int // not taken by the disk
}

// low is the lowest record that was not acked.
func (m *model) low() int {
	if len(m.flying) > 0 {
		return min(m.flying[0], m.next)
	}
	return m.next
}

// left is how many records were not acked.
func (m *model) left() int64 { return int64(m.appended - m.next + len(m.flying)) }

// restart makes the model one of the log that the next process finds.
func (m *model) restart(from int) {
	m.next, m.flying, m.waiting, m.persisted = from, nil, nil, from
}

// player plays the same operations on a Log and on its model.
type player struct {
	logAt
	m    model
	disk *vfs.Mem
	seqs map[int]uint64
	full bool // the disk takes no records
}

// intercept makes the disk refuse records, but not the cursor.
func (p *player) intercept(op vfs.Op) error {
	if p.full && (op.Kind == vfs.Write || op.Kind == vfs.Create) && strings.HasSuffix(op.Name, liveSuffix) {
		return syscall.ENOSPC
	}
	return nil
}

func (p *player) doAppend(n int) {
	err := p.Append(manyFrom(p.m.appended, n)...)
	if err != nil {
		if !p.full && len(p.m.waiting) == 0 {
			p.t.Fatal(err)
		}
		return
	}
	for range n {
		if p.full || len(p.m.waiting) > 0 {
			p.m.waiting = append(p.m.waiting, p.m.appended)
		}
		p.m.appended++
	}
}

func (p *player) doNext() {
	e, ok := p.tryNext()
	if ok != (p.m.next < p.m.appended) {
		p.t.Fatalf("next: %v, with %d of %d handed out", ok, p.m.next, p.m.appended)
	}
	if !ok {
		return
	}
	if n := numberOf(p.t, e.Record); n != p.m.next {
		p.t.Fatalf("got record %d; want %d", n, p.m.next)
	}
	p.seqs[p.m.next] = e.Seq
	p.m.flying = append(p.m.flying, p.m.next)
	p.m.next++
}

func (p *player) doAck(pick int) {
	if len(p.m.flying) == 0 {
		return
	}
	i := pick % len(p.m.flying)
	p.Ack(p.seqs[p.m.flying[i]])
	p.m.flying = slices.Delete(p.m.flying, i, i+1)
}

func (p *player) doKeep() {
	p.keep()
	if !p.full {
		p.m.waiting = nil
	}
	p.m.persisted = p.m.low()
}

func (p *player) doReopen() {
	if p.full {
		return
	}
	p.close()
	p.logAt = open(p.t, p.cfg)
	p.m.restart(p.m.low())
}

// doCrash kills the process. What waits in memory is lost, and with it what
// nobody may notice; so the model counts on from there.
func (p *player) doCrash() {
	if len(p.m.waiting) > 0 {
		return
	}
	p.disk = p.disk.Crash()
	p.disk.Intercept(p.intercept)
	p.cfg.FS = p.disk
	p.logAt = open(p.t, p.cfg)
	p.m.restart(p.m.persisted)
}

func (p *player) check() {
	s := p.Stats()
	want := []int64{p.m.left(), int64(len(p.m.flying)), int64(min(len(p.m.waiting), 1))}
	got := []int64{s.Records, int64(s.InFlight), min(s.MemoryBytes, 1)}
	if p.acks() { // what waited may have been acked by now
		got[2] = want[2]
	}
	if d := cmp.Diff(want, got); d != "" || s.DamagedRecords != 0 || s.SetAside != 0 {
		p.t.Fatalf("records, in flight, in memory (-want +got):\n%s\n%+v", d, s)
	}
}

// acks reports whether some of what waits was acked.
func (p *player) acks() bool {
	return slices.ContainsFunc(p.m.waiting, func(n int) bool { return n < p.m.low() })
}

// Whatever is done to a log, in whatever order, it answers like a slice.
func TestLogAnswersLikeItsModel(t *testing.T) {
	for seed := range uint64(rounds(150)) {
		p := &player{disk: vfs.NewMem(), seqs: map[int]uint64{}}
		p.disk.Intercept(p.intercept)
		p.logAt = open(t, small(p.disk))
		r := dice(seed)
		for range 400 {
			switch k := r.IntN(100); {
			case k < 30:
				p.doAppend(1 + r.IntN(4))
			case k < 60:
				p.doNext()
			case k < 88:
				p.doAck(r.IntN(1 << 20))
			case k < 94:
				p.doKeep()
			case k < 96:
				p.full = !p.full
			case k < 98:
				p.doReopen()
			default:
				p.doCrash()
			}
			p.check()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		p.full = false
		p.doKeep()
		p.close()
	}
}
