package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// demoLate is how old a scrape may be when it arrives before it counts as late.
const demoLate = 10 * time.Second

// A demoConfig says what the demo shows.
type demoConfig struct {
	targets  int
	series   int // per target
	interval time.Duration
	duration time.Duration // 0: until interrupted
}

// newDemoCommand returns divvy demo.
func newDemoCommand(con console) *cobra.Command {
	cfg := demoConfig{targets: 50, series: 200, interval: 2 * time.Second}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch divvy scrape generated targets and deliver what it scraped",
		Long: "Start targets, a receiver and divvy itself in one process, and show what happens.\n" +
			"Every scrape carries a number, so the demo knows whether one is lost.\n" +
			"It needs nothing else and leaves nothing behind.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.validate(); err != nil {
				return err
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return runDemo(ctx, cfg, con)
		},
	}
	fs := cmd.Flags()
	fs.IntVar(&cfg.targets, "targets", cfg.targets, "`number` of targets")
	fs.IntVar(&cfg.series, "series", cfg.series, "`number` of series of each target")
	fs.DurationVar(&cfg.interval, "interval", cfg.interval, "time between two scrapes of a target")
	fs.DurationVar(&cfg.duration, "duration", cfg.duration, "end after this long, with exit code 1 if a scrape is lost; 0: until q is pressed")
	return cmd
}

func (c demoConfig) validate() error {
	if c.targets < 1 || c.series < 1 || c.interval < 100*time.Millisecond || c.duration < 0 {
		return errors.New("the demo needs at least one target with one series, an --interval of at least 100ms, and a --duration that is not negative")
	}
	return nil
}

// runDemo shows the demo until ctx ends, the duration is over or q is pressed.
// It returns an error if a scrape is lost.
func runDemo(ctx context.Context, cfg demoConfig, con console) error {
	dir, err := os.MkdirTemp("", "divvy-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	d, err := openDemo(cfg, dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if cfg.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, cfg.duration)
		defer cancel()
	}
	keys := make(chan byte)
	screen := openDisplay(ctx, con, keys)
	d.watch(ctx, screen, keys)
	screen.close()
	err = d.close()
	fmt.Fprintln(con.out, d.summary())
	if err != nil {
		return err
	}
	if lost := d.state().lost; lost > 0 {
		return fmt.Errorf("%d scrapes are lost", lost)
	}
	return nil
}

// A demo is a testbed and the collectors that scrape it. There is one collector
// now; a cluster is more calls of startNode. It is used by one goroutine.
type demo struct {
	cfg     demoConfig
	dir     string // of everything that the demo writes
	bed     *testbed.Bed
	nodes   []*demoNode
	started time.Time
	down    bool // the receiver refuses everything
	closed  bool // the nodes have ended; the counts stay
	rate    rate // of samples at the receiver
}

// A demoNode is one running collector. It is a real one: with a configuration
// file, a storage path and a port, as divvy run would start it.
type demoNode struct {
	name   string
	node   *Collector
	stop   context.CancelFunc
	ended  chan error // gets what Run and Close return
	config string     // path of its configuration
	cpu    rate
}

// openDemo starts everything in dir.
func openDemo(cfg demoConfig, dir string) (*demo, error) {
	bed, err := testbed.Open(testbed.Config{
		Fleet:    testbed.FleetConfig{Targets: cfg.targets, Series: cfg.series},
		Receiver: testbed.ReceiverConfig{LateAfter: demoLate},
	})
	if err != nil {
		return nil, err
	}
	d := &demo{cfg: cfg, dir: dir, bed: bed, started: time.Now()}
	if err := d.startNode("divvy"); err != nil {
		return nil, errors.Join(err, bed.Close())
	}
	return d, nil
}

// startNode starts a collector with its own storage.
func (d *demo) startNode(name string) error {
	dir := filepath.Join(d.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	path := filepath.Join(dir, "demo.alloy")
	if err := os.WriteFile(path, []byte(d.configText()), 0o600); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	cfg := DefaultConfig()
	// A free port: a divvy that runs on this machine is not in the way.
	cfg.HTTP.ListenAddr = "127.0.0.1:0"
	cfg.StoragePath = filepath.Join(dir, "data")
	cfg.ShutdownDeadline = time.Minute
	logs, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	node, err := Open(cfg, path, logs)
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", name, err), logs.Close())
	}
	if err := node.Load(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", name, err), node.Close(), logs.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &demoNode{name: name, node: node, stop: stop, ended: make(chan error, 1), config: path}
	go func() {
		err := node.Run(ctx)
		n.ended <- errors.Join(err, node.Close(), logs.Close())
	}()
	d.nodes = append(d.nodes, n)
	return nil
}

// configText returns the configuration of every node.
func (d *demo) configText() string {
	return fmt.Sprintf(`// Written by divvy demo. A configuration of your own looks like this.

// Where the targets come from.
discovery.http "demo" {
	url              = %q
	refresh_interval = "5s"
}

// What is scraped, and how often.
prometheus.scrape "demo" {
	targets         = discovery.http.demo.targets
	scrape_interval = %q
	scrape_timeout  = %q
	forward_to      = [prometheus.remote_write.demo.receiver]
}

// Where the samples go.
prometheus.remote_write "demo" {
	endpoint {
		url = %q

		queue_config {
			max_backoff = "1s"
		}
	}
}
`, d.bed.DiscoveryURL(), d.cfg.interval, d.cfg.interval, d.bed.WriteURL())
}

// watch shows a state each second and obeys keys until ctx ends or q is pressed.
func (d *demo) watch(ctx context.Context, screen display, keys <-chan byte) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	screen.show(d.state())
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case key := <-keys:
			switch key {
			case 'q', 'Q', 3, 4: // also Ctrl-C and Ctrl-D, which a raw terminal passes on
				return
			case 'r', 'R':
				d.setReceiver(!d.down)
			}
		}
		screen.show(d.state())
	}
}

// setReceiver takes the receiver down, or brings it back.
func (d *demo) setReceiver(down bool) {
	fault := testbed.Fault{}
	if down {
		fault.Status = 503
	}
	d.bed.Receiver.SetFault(fault)
	d.down = down
}

// state returns what there is to show now.
//
// A scrape that a target has answered and the receiver does not have is waiting,
// or it is lost. It can only be waiting while a node says that it has a backlog,
// or the receiver is down, or it is younger than the two seconds that scraping
// and delivering may take; anything else is lost. Once the nodes have ended
// there is nothing left to wait for, and every scrape counts.
func (d *demo) state() demoState {
	now := time.Now()
	settled := now.Add(-2 * time.Second)
	if d.closed {
		settled = now.Add(time.Hour)
	}
	report := d.bed.Receiver.Report()
	verdict := testbed.Check(d.bed.Fleet, d.bed.Receiver, settled)
	s := demoState{
		elapsed:   now.Sub(d.started),
		targets:   d.cfg.targets,
		series:    d.bed.Fleet.Series(),
		interval:  d.cfg.interval,
		scraped:   d.bed.Fleet.Answered(),
		delivered: report.Scrapes,
		late:      report.Late,
		rate:      d.rate.perSecond(now, float64(report.Samples)),
		lag:       report.LagP50,
		down:      d.down,
	}
	var backlog int64
	for _, n := range d.nodes {
		state := n.state(now, d.closed)
		backlog += state.backlog
		s.nodes = append(s.nodes, state)
		s.config, s.page = n.config, "http://"+n.node.Addr()+"/"
	}
	s.waiting = max(0, s.scraped-s.delivered)
	if missing := int64(len(verdict.Lost)); backlog == 0 && !d.down {
		s.lost, s.waiting = missing, s.waiting-missing
	}
	return s
}

// state returns what the node says of itself.
func (n *demoNode) state(now time.Time, closed bool) nodeState {
	s := nodeState{name: n.name}
	if closed {
		return s
	}
	own := n.node.metrics()
	s.rss = uint64(own["divvy_resources_process_resident_memory_bytes"])
	s.cpu = n.cpu.perSecond(now, own["divvy_resources_process_cpu_seconds_total"])
	s.backlog = int64(own["prometheus_remote_storage_samples_pending"])
	return s
}

// close brings the receiver back, lets the nodes deliver what they have, and
// ends everything but the counts. The receiver comes back first, because what is
// still on disk when a demo ends would otherwise look lost.
func (d *demo) close() error {
	d.setReceiver(false)
	var errs []error
	for _, n := range d.nodes {
		n.stop()
		errs = append(errs, <-n.ended)
	}
	d.closed = true
	return errors.Join(append(errs, d.bed.Close())...)
}

// summary returns the last line of the demo.
func (d *demo) summary() string {
	s := d.state()
	return fmt.Sprintf("%s scrapes of %d targets in %s: %s delivered, %s late, %s lost.",
		grouped(s.scraped), s.targets, s.elapsed.Round(time.Second), grouped(s.delivered), grouped(s.late), grouped(s.lost))
}

// rateWindow is how far back a rate looks: some intervals of a target, so that
// the rhythm of the scrapes does not show.
const rateWindow = 4 * time.Second

// A rate turns a count into one per second.
type rate struct{ seen []reading }

// A reading is a count at a time.
type reading struct {
	at    time.Time
	count float64
}

// perSecond returns how fast the count has risen over the window.
func (r *rate) perSecond(now time.Time, count float64) float64 {
	for len(r.seen) > 1 && now.Sub(r.seen[1].at) >= rateWindow {
		r.seen = r.seen[1:]
	}
	r.seen = append(r.seen, reading{now, count})
	first := r.seen[0]
	if seconds := now.Sub(first.at).Seconds(); seconds > 0 {
		return (count - first.count) / seconds
	}
	return 0
}
