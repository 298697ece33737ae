package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

const (
	// lateAfter is how old a scrape may be when it arrives before it is late.
	lateAfter = 10 * time.Second

	// drain is how long a node may deliver what it has when it stops.
	drain = 30 * time.Second

	// closing is how long all nodes may take to stop, before they are killed.
	closing = time.Minute

	// answering is how long a node may take to say how it is.
	answering = 500 * time.Millisecond
)

// Run shows a demo on out until ctx ends, the duration is over or q is pressed
// on in. It returns an error if a scrape is lost, or a slot was missed or served
// twice although no node was killed.
func Run(ctx context.Context, cfg Config, in io.Reader, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "divvy-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	d, err := open(cfg, dir)
	if err != nil {
		return err
	}
	defer d.abort()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if cfg.Duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, cfg.Duration)
		defer cancel()
	}
	keys := make(chan byte)
	screen := openDisplay(ctx, in, out, keys)
	// Also if the program panics: a terminal that stays raw is a nuisance.
	defer sync.OnceFunc(screen.close)()
	err = d.watch(ctx, screen, keys)
	if err = errors.Join(err, d.close(screen, keys)); err != nil {
		return err
	}
	last := d.state()
	screen.close()
	fmt.Fprintln(out, last.summary())
	return last.verdict()
}

// A demo is a testbed and the nodes that scrape it. It is used by one goroutine.
type demo struct {
	cfg     Config
	dir     string // of everything that the demo writes
	config  string // path of the configuration of every node
	bed     *testbed.Bed
	client  *http.Client // of nodes
	nodes   []*node      // in the order in which they were added, without those that have left
	named   int          // nodes that got a name
	kills   []kill
	journal *journal
	down    bool      // the receiver refuses everything
	frozen  time.Time // from then on slots do not count; zero: they do
	closed  bool      // the nodes have ended; the counts stay
	rate    rate      // of samples at the receiver
}

// open starts targets and receiver, and the first node. The others follow once
// that one serves: nodes that start at the same moment would each serve
// everything until they have met.
func open(cfg Config, dir string) (*demo, error) {
	bed, err := testbed.Open(testbed.Config{
		Fleet:    testbed.FleetConfig{Targets: cfg.Targets, Series: cfg.Series},
		Receiver: testbed.ReceiverConfig{LateAfter: lateAfter},
	})
	if err != nil {
		return nil, err
	}
	d := &demo{
		cfg: cfg, dir: dir, bed: bed, config: filepath.Join(dir, "demo.alloy"),
		client:  &http.Client{Transport: &http.Transport{}, Timeout: answering},
		journal: &journal{started: time.Now()},
	}
	if err := os.WriteFile(d.config, []byte(configText(bed, cfg.Interval)), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the demo's configuration: %w", err), bed.Close())
	}
	d.journal.note("", "all nodes have one configuration: "+d.config)
	if err := d.addNode(); err != nil {
		return nil, errors.Join(err, bed.Close())
	}
	d.journal.note(d.nodes[0].name, "shows the whole fleet at "+pageURL(d.nodes[0].addr))
	return d, nil
}

// watch shows a state each second, takes the steps of the script and obeys keys,
// until ctx ends or q is pressed. An error says that a node has failed.
func (d *demo) watch(ctx context.Context, screen display, keys <-chan byte) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	script := d.cfg.Script
	for {
		var next <-chan time.Time
		if len(script) > 0 {
			next = time.After(time.Until(d.journal.started.Add(script[0].At)))
		}
		if err := d.tend(); err != nil {
			return err
		}
		screen.show(d.state())
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-next:
			err = d.do(script[0].Do)
			script = script[1:]
		case key := <-keys:
			if isQuit(key) {
				return nil
			}
			err = d.press(key)
		}
		if err != nil {
			return err
		}
	}
}

// isQuit reports whether key ends the demo: q, or Ctrl-C and Ctrl-D, which a raw
// terminal passes on.
func isQuit(key byte) bool { return key == 'q' || key == 'Q' || key == 3 || key == 4 }

// press takes the action whose first letter is key, if there is one.
func (d *demo) press(key byte) error {
	for _, a := range actions {
		if key|' ' == a[0] {
			return d.do(a)
		}
	}
	return nil
}

// do takes one action. What cannot be done now is noted in the journal; an error
// is about this machine.
func (d *demo) do(a Action) error {
	switch a {
	case Add:
		return d.add()
	case Stop:
		d.stopYoungest()
	case Kill:
		d.killOldest()
	case Receiver:
		d.setReceiver(!d.down)
	}
	return nil
}

// tend starts the nodes that are still to start, and forgets those that have
// left.
func (d *demo) tend() error {
	for d.named < d.cfg.Nodes && d.nodes[0].stage() == "serving" {
		if err := d.addNode(); err != nil {
			return err
		}
	}
	return d.forget()
}

// forget forgets nodes that have left. An error names one that has failed.
func (d *demo) forget() error {
	var errs []error
	d.nodes = slices.DeleteFunc(d.nodes, func(n *node) bool {
		if n.running() || !n.killed.IsZero() {
			return false
		}
		errs = append(errs, n.failure())
		d.journal.note(n.name, "has left; its process has ended")
		return true
	})
	return errors.Join(errs...)
}

// add starts the node again that was killed first, or a new one.
func (d *demo) add() error {
	for _, n := range d.nodes {
		if !n.killed.IsZero() {
			d.journal.note(n.name, "is started again, with what is on its disk")
			return n.start(d.cfg.Divvy, d.config, d.peers(), d.journal)
		}
	}
	if len(d.nodes) == maxNodes {
		d.journal.note("", fmt.Sprintf("not added: a demo has at most %d nodes", maxNodes))
		return nil
	}
	return d.addNode()
}

// addNode starts a new node.
func (d *demo) addNode() error {
	n, err := newNode(fmt.Sprintf("node%d", d.named+1), d.dir)
	if err != nil {
		return err
	}
	if err := n.start(d.cfg.Divvy, d.config, d.peers(), d.journal); err != nil {
		return err
	}
	d.named++
	d.nodes = append(d.nodes, n)
	d.journal.note(n.name, "is started")
	return nil
}

// peers returns where other nodes are.
func (d *demo) peers() []string {
	var addrs []string
	for _, n := range d.nodes {
		if n.running() {
			addrs = append(addrs, n.addr)
		}
	}
	return addrs
}

// stopYoungest asks the node that was added last to stop, unless it is the only
// one.
func (d *demo) stopYoungest() {
	staying := d.staying()
	if len(staying) < 2 {
		d.journal.note("", "not stopped: the last node stays")
		return
	}
	n := staying[len(staying)-1]
	d.journal.note(n.name, "is asked to stop")
	n.stop()
}

// killOldest kills the node that was added first, unless no other one serves.
func (d *demo) killOldest() {
	serving := slices.DeleteFunc(d.staying(), func(n *node) bool { return n.stage() != "serving" })
	if len(serving) < 2 {
		d.journal.note("", "not killed: no other node serves that could take over")
		return
	}
	n := serving[0]
	n.kill()
	d.kills = append(d.kills, kill{n.name, n.killed})
	d.journal.note(n.name, "is killed (kill -9), and cannot tell anybody")
}

// staying returns the nodes that run and have not been asked to stop.
func (d *demo) staying() []*node {
	return slices.DeleteFunc(slices.Clone(d.nodes), func(n *node) bool { return !n.stays() })
}

// setReceiver takes the receiver down, or brings it back.
func (d *demo) setReceiver(down bool) {
	if down == d.down {
		return
	}
	fault, text := testbed.Fault{}, "the receiver is back, and takes what has waited"
	if down {
		fault.Status, text = http.StatusServiceUnavailable, "the receiver is down; samples wait on the nodes' disks"
	}
	d.bed.Receiver.SetFault(fault)
	d.down = down
	d.journal.note("", text)
}

// close brings the receiver back, lets all nodes deliver what they have and
// leave, and ends everything but the counts. The receiver comes back first,
// because what is still on disk when a demo ends would otherwise look lost. Whoever
// quits again does not wait.
func (d *demo) close(screen display, keys <-chan byte) error {
	d.frozen = time.Now()
	d.setReceiver(false)
	d.journal.note("", "the demo ends: nodes deliver, and leave; q again: at once")
	for _, n := range d.staying() {
		n.stop()
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	late := time.NewTimer(closing)
	defer late.Stop()
	for _, n := range d.nodes {
		for n.running() {
			select {
			case <-n.ended:
			case <-ticker.C:
				screen.show(d.state())
			case key := <-keys:
				if isQuit(key) {
					return errors.New("ended before the nodes had delivered what they have")
				}
			case <-late.C:
				return fmt.Errorf("%s has not stopped within %s", n.name, closing)
			}
		}
	}
	d.closed = true
	err := d.forget()
	screen.show(d.state())
	return err
}

// abort ends what close has left.
func (d *demo) abort() {
	for _, n := range d.nodes {
		if n.running() {
			n.kill()
		}
	}
	d.client.CloseIdleConnections()
	// Nobody needs it any more.
	_ = d.bed.Close()
}
