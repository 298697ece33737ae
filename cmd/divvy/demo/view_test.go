package demo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// example is a state in which there is something of everything.
func example() state {
	return state{
		elapsed: 83 * time.Second, targets: 60, series: 12060, interval: 2 * time.Second,
		nodes: []nodeState{
			{name: "node1", stage: "killed", page: "127.0.0.1:1"},
			{name: "node2", stage: "serving", page: "127.0.0.1:2", answers: true,
				targets: 43, samples: 4321.5, backlog: 1155750, rss: 31_400_000, cpu: 0.034},
			{name: "node3", stage: "leaving", page: "127.0.0.1:3", answers: true, targets: 17, samples: 1708, rss: 30_000_000, cpu: 0.02},
			{name: "node4", stage: "starting", page: "127.0.0.1:4"},
		},
		served: 2400, crashed: slips{missed: 1, doubled: 4}, hole: 2960 * time.Millisecond,
		scraped: 2404, delivered: 1500, late: 3, waiting: 901, killed: 3, rate: 5025.4, lag: 256 * time.Millisecond, down: true,
		events: []event{
			{12 * time.Second, "node1", "is started"},
			{time.Minute, "node1", "is killed (kill -9), and cannot tell anybody"},
			{60350 * time.Millisecond, "node1", "found dead by node2 after 350ms; others serve its targets"},
			{70 * time.Second, "", "the receiver is down; samples wait on the nodes' disks"},
			{81 * time.Second, "node3", "is asked to stop"},
			{82 * time.Second, "node4", "is started"},
		},
	}
}

// The screen says in words what the numbers mean.
func TestScreenExplainsItself(t *testing.T) {
	f := func(s state, rows int, want string) {
		t.Helper()
		got := s.screen(rows)
		if diff := cmp.Diff(strings.Split(strings.Trim(want, "\n"), "\n"), got); diff != "" {
			t.Errorf("%d rows (-want +got):\n%s", rows, diff)
		}
		if len(got) > rows {
			t.Errorf("%d lines on %d rows", len(got), rows)
		}
	}
	f(example(), 40, `
  divvy demo 1m23s   60 targets; each is due every 2s at one node: a slot
  in a browser: http://127.0.0.1:2/clustering   any node answers for all

  node   stage     targets samples/s   backlog   memory  cpu
  node1  killed          -         -         -        -    -  a starts it again, with what is on its disk
  node2  serving        43     4,321 1,155,750  31.4 MB  3 %  127.0.0.1:2
  node3  leaving        17     1,708         0  30.0 MB  2 %  serves until an instant that all know
  node4  starting        -         -         -        -    -  begins

  slots    served      2,400   one node came to the target
           missed          0   no node came; 1 more while a kill was noticed
           doubled         0   two nodes came; 4 more while a kill was noticed
           hole         3.0s   longest time between two scrapes of a target

  scrapes  made        2,404   answered by a target, which numbers them
           arrived     1,500   half of them within 256ms; now 5,025 samples/s
           waiting       901   ▇▇▇▇▇▇▇▇▇▇ on the nodes' disks
           late            3   arrived more than 10s after they were made
           killed          3   on a killed node's disk; its last 1/4 s is gone
           lost            0   each has arrived, is on its way or on a disk

  receiver down   answers 503; samples wait on disks. r brings it back

  what happened last
   1m22s  node4    is started
   1m21s  node3    is asked to stop
   1m10s           the receiver is down; samples wait on the nodes' disks
    1m0s  node1    found dead by node2 after 350ms; others serve its targets
    1m0s  node1    is killed (kill -9), and cannot tell anybody
     12s  node1    is started

  a add a node   s stop the youngest   k kill the oldest   r receiver   q quit
`)
	broken := example()
	broken.nodes = nil
	broken.down, broken.waiting, broken.lost, broken.planned = false, 4, 2, slips{missed: 1, doubled: 2}
	f(broken, 20, `
  divvy demo 1m23s   60 targets; each is due every 2s at one node: a slot
  no node answers yet that a browser could ask
  node   stage     targets samples/s   backlog   memory  cpu
  slots    served      2,400   one node came to the target
           missed          1   no node came WITHOUT A KILL; 1 more while a kill was noticed
           doubled         2   two nodes came WITHOUT A KILL; 4 more while a kill was noticed
           hole         3.0s   longest time between two scrapes of a target
  scrapes  made        2,404   answered by a target, which numbers them
           arrived     1,500   half of them within 256ms; now 5,025 samples/s
           waiting         4   on their way
           late            3   arrived more than 10s after they were made
           killed          3   on a killed node's disk; its last 1/4 s is gone
           lost            2   MISSING
  receiver up     r takes it down, and nothing is lost
  what happened last
   1m22s  node4    is started
   1m21s  node3    is asked to stop
   1m10s           the receiver is down; samples wait on the nodes' disks
    1m0s  node1    found dead by node2 after 350ms; others serve its targets
  a add a node   s stop the youngest   k kill the oldest   r receiver   q quit
`)
}

// Without a terminal each state is a line that a script can read, after a line
// for each thing that has happened.
func TestLinesTellEachEventOnce(t *testing.T) {
	var out strings.Builder
	l := &lineDisplay{w: &out}
	s := example()
	s.nodes, s.events = s.nodes[:2], s.events[:1]
	l.show(s)
	s.events = append(s.events, event{84 * time.Second, "node2", "serves its share"})
	l.show(s)
	line := "  83s  nodes=2 targets=60 series=12060 served=2400 missed=0 doubled=0 kill_missed=1 kill_doubled=4 hole=3.0s" +
		" scraped=2404 delivered=1500 waiting=901 late=3 killed=3 lost=0 receiver=down samples_per_second=5025" +
		" node1{stage=killed targets=0 samples_per_second=0 backlog=0 rss_mb=0.0 cpu=0.00}" +
		" node2{stage=serving targets=43 samples_per_second=4322 backlog=1155750 rss_mb=31.4 cpu=0.03}\n"
	want := "     12s  node1    is started\n" + line + "   1m24s  node2    serves its share\n" + line
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// The last line says what was promised, what was kept, and what a kill has cost;
// the exit code is about the promise.
func TestVerdictIsAboutWhatWasPromised(t *testing.T) {
	f := func(s state, wantText, wantErr string) {
		t.Helper()
		if diff := cmp.Diff(wantText, s.summary()); diff != "" {
			t.Error(diff)
		}
		if got := fmt.Sprint(s.verdict()); got != wantErr {
			t.Errorf("got error %s, want %s", got, wantErr)
		}
	}
	s := state{elapsed: 30 * time.Second, targets: 60, served: 890, scraped: 900, delivered: 900}
	f(s, "890 slots of 60 targets in 30s: 0 missed, 0 doubled. 900 scrapes: 900 delivered, 0 late, 0 lost.", "<nil>")
	s.crashed, s.killed, s.delivered = slips{missed: 1, doubled: 2}, 3, 897
	f(s, "891 slots of 60 targets in 30s: 0 missed, 0 doubled. 900 scrapes: 897 delivered, 0 late, 0 lost.\n"+
		"Because of killed nodes: 1 slots missed, 2 doubled, 3 scrapes not delivered.", "<nil>")
	s = state{elapsed: 30 * time.Second, targets: 60, served: 890, scraped: 900, delivered: 898, lost: 2, planned: slips{missed: 1, doubled: 5}}
	f(s, "891 slots of 60 targets in 30s: 1 missed, 5 doubled. 900 scrapes: 898 delivered, 0 late, 2 lost.",
		"2 scrapes are lost\n1 slots were missed and 5 doubled although no node was killed")
}

// A line that is too long for the terminal would move all others.
func TestCutKeepsCharactersWhole(t *testing.T) {
	for columns, want := range map[int]string{0: "", 2: "a▇", 3: "a▇b", 9: "a▇b"} {
		if got := cut("a▇b", columns); got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
}
