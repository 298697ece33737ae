package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/fleet/report/words"
	"github.com/divvy-collector/divvy/fleet/simulate"
)

// maxTable is the greatest number of nodes that are shown one by one.
const maxTable = 16

// A play is what divvy fleet simulate plays. Nodes or targets that are empty are
// asked of the running fleet.
type play struct {
	*session
	nodes    string        // a number, or names
	targets  string        // a number, or the name of a file
	interval time.Duration // of targets that do not say
	series   int           // samples in a scrape of a target that does not say; 0: not known
	events   string        // see simulate.ParseEvents
}

// newSimulate returns divvy fleet simulate.
func newSimulate(s *session) *cobra.Command {
	pl := &play{session: s, interval: time.Minute}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Show what would move if nodes joined, left or died",
		Long: "Play events on nodes and targets, and show after each how targets and load divide, what moves, and\n" +
			"which slots go wrong. Without --nodes they are those of the running fleet, and so are targets without\n" +
			"--targets; with both, no node is asked.\n\n" +
			"Events are join, leave, restart, kill (kill -9) and vanish (a host loses power or network), each at a time\n" +
			"since the start. A node joins or leaves by a date five seconds ahead, and a restart is a leave and a join\n" +
			"seven seconds later. What a death costs is the worst case.\n\n" +
			"A file of targets holds groups as HTTP service discovery gives them, or one URL on each line. A capacity\n" +
			"behind a node's name, as in d@2, says that twice as much would be fair; shares are judged by it, and no\n" +
			"target moves because of it.",
		Example: "  divvy fleet simulate --nodes 3 --targets 1000 --events \"60s:join d,120s:leave a,180s:kill b\"\n" +
			"  divvy fleet simulate --nodes a,b,c --targets targets.json --interval 15s --series 800 --events 0s:kill:a\n" +
			"  divvy fleet simulate --addr divvy-0:12345 --events \"0s:join divvy-3\"",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := pl.config(cmd.Context())
			if err != nil {
				return unasked(err)
			}
			result, err := simulate.Run(cfg)
			if err != nil {
				return unasked(err)
			}
			return unasked(pl.show(result))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&pl.nodes, "nodes", pl.nodes, "`number` of nodes, called a, b, c, …, or their names; empty: those of the running fleet")
	fs.StringVar(&pl.targets, "targets", pl.targets, "`number` of targets, or a file of them; empty: those of the running fleet")
	fs.DurationVar(&pl.interval, "interval", pl.interval, "time between two scrapes of a target that does not say")
	fs.IntVar(&pl.series, "series", pl.series, "`number` of samples in one scrape of a target; 0: load is counted in scrapes")
	fs.StringVar(&pl.events, "events", pl.events, "`list` of what happens, such as 60s:join d,120s:leave a")
	completeFiles(cmd, "targets")
	return cmd
}

// config reads the flags, and asks the running fleet for what they do not say.
func (pl *play) config(ctx context.Context) (cfg simulate.Config, err error) {
	if pl.interval <= 0 || pl.series < 0 {
		return cfg, fmt.Errorf("--interval %s must be positive and --series %d not negative", pl.interval, pl.series)
	}
	if cfg.Events, err = simulate.ParseEvents(pl.events); err != nil {
		return cfg, fmt.Errorf("read --events: %w", err)
	}
	if pl.nodes == "" {
		cfg.Nodes, err = pl.askNodes(ctx)
	} else if cfg.Nodes, err = simulate.ParseNodes(pl.nodes); err != nil {
		err = fmt.Errorf("read --nodes: %w", err)
	}
	if err != nil {
		return cfg, err
	}
	if pl.targets == "" {
		cfg.Targets, err = pl.askTargets(ctx)
	} else if cfg.Targets, err = pl.readTargets(); err != nil {
		err = fmt.Errorf("read --targets: %w", err)
	}
	return cfg, err
}

// readTargets makes as many targets as a number says, or reads a file.
func (pl *play) readTargets() ([]simulate.Target, error) {
	each := simulate.Target{Interval: pl.interval, Samples: float64(pl.series)}
	if n, err := strconv.Atoi(pl.targets); err == nil {
		return simulate.Targets(n, each)
	}
	text, err := os.ReadFile(pl.targets)
	if err != nil {
		return nil, err
	}
	list, err := simulate.ParseTargets(text, each)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pl.targets, err)
	}
	return list, nil
}

// askNodes returns the nodes of the running fleet that take part. Who is silent
// may take part or not, so what would be played then is not the fleet.
func (pl *play) askNodes(ctx context.Context) ([]simulate.Node, error) {
	var f report.Fleet
	if _, err := pl.node.ask(ctx, question{path: "status"}, &f); err != nil {
		return nil, fmt.Errorf("%w; or give --nodes", err)
	}
	var nodes []simulate.Node
	for _, n := range f.Nodes {
		if n.State == "participant" {
			nodes = append(nodes, simulate.Node{Name: n.Name})
		}
	}
	for _, s := range f.Silent {
		return nil, fmt.Errorf("%s gives no answer (%s): the fleet is not known as a whole; give --nodes", s.Name, s.Reason)
	}
	if len(nodes) == 0 {
		return nil, errors.New("no node of the running fleet takes part; give --nodes")
	}
	return nodes, nil
}

// askTargets returns the targets that the running fleet shares out. Those of
// components without clustering stay where they are, whoever comes or goes.
func (pl *play) askTargets(ctx context.Context) ([]simulate.Target, error) {
	var page report.Page
	if _, err := pl.node.ask(ctx, question{"targets", params(report.Query{})}, &page); err != nil {
		return nil, fmt.Errorf("%w; or give --targets", err)
	}
	var targets []simulate.Target
	for _, t := range page.Targets {
		if t.Clustered && t.Interval > 0 {
			targets = append(targets, simulate.Target{Name: t.URL, Key: t.Key, Interval: t.Interval, Samples: float64(t.Samples)})
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("the running fleet shares no targets out; give --targets")
	}
	fillSamples(targets)
	return targets, nil
}

// fillSamples takes targets that gave no samples for ones like the mean of the
// others: they were not scraped yet, or are down and come back.
func fillSamples(targets []simulate.Target) {
	var sum, known float64
	for _, t := range targets {
		if t.Samples > 0 {
			sum, known = sum+t.Samples, known+1
		}
	}
	for i := range targets {
		if t := &targets[i]; t.Samples == 0 && known > 0 {
			t.Samples = sum / known
		}
	}
}

// show shows what came of it.
func (pl *play) show(r simulate.Result) error {
	if pl.json {
		return json.NewEncoder(pl.Out).Encode(r)
	}
	p := pl.paper()
	p.line("start: %s, %s", count(len(r.Start.Shares), "node"), count(r.Start.Targets, "target"))
	p.division(r.Start)
	for _, s := range r.Steps {
		p.line("\n%s: %s", moment(s.At), story(s))
		p.line("  %s", movement(s))
		p.slots(s)
		p.division(s.After)
	}
	return nil
}

// story says what an event is.
func story(s simulate.Step) string {
	switch s.Do {
	case simulate.Join:
		return fmt.Sprintf("%s joins, and serves from %s", s.Node, moment(s.Settled))
	case simulate.Leave:
		return fmt.Sprintf("%s leaves, and serves until %s", s.Node, moment(s.Settled))
	case simulate.Kill:
		return fmt.Sprintf("%s is killed, and known to be dead by %s", s.Node, moment(s.Settled))
	default:
		return fmt.Sprintf("%s vanishes, and is known to be dead by %s", s.Node, moment(s.Settled))
	}
}

// moment returns a time since the start, as one would write it.
func moment(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// maxMoves is how many pairs of nodes are shown between which targets move.
const maxMoves = 6

// movement says what moves.
func movement(s simulate.Step) string {
	if s.Moved == 0 {
		return "no target moves"
	}
	var parts []string
	for i, m := range s.Moves {
		if i == maxMoves {
			parts = append(parts, fmt.Sprintf("and %s more", count(len(s.Moves)-i, "pair")))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s→%s", number(m.Targets), orNobody(m.From), orNobody(m.To)))
	}
	share := 100 * float64(s.Moved) / float64(s.After.Targets)
	verb := words.Verb(s.Moved, "moves", "move")
	return fmt.Sprintf("%s (%.1f %%) %s: %s", count(s.Moved, "target"), share, verb, strings.Join(parts, ", "))
}

// orNobody returns the name of an owner, or what to call none.
func orNobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

// slots says which slots go wrong.
func (p paper) slots(s simulate.Step) {
	if s.Late+s.Missed+s.Doubled == 0 {
		p.say(good, "  no slot is late, missed or doubled")
		return
	}
	p.say(bad, "  slots: at most %s late, %s missed, %s doubled", number(s.Late), number(s.Missed), number(s.Doubled))
}

// average returns a mean, with a decimal where that still says something.
func average(mean float64) string {
	if mean < 100 {
		return fmt.Sprintf("%.1f", mean)
	}
	return number(int(mean + 0.5))
}

// division shows how the work is shared out: in numbers, and node by node if
// there are not too many.
func (p paper) division(d simulate.Division) {
	if d.Unowned > 0 {
		p.say(bad, "  %s without an owner", count(d.Unowned, "target"))
	}
	if len(d.Shares) == 0 {
		return
	}
	p.line("  %s to %s targets a node, %s on average; the busiest is %s with %.2fx its fair share",
		number(d.Min), number(d.Max), average(d.Mean), d.Busiest, d.OfMean)
	if len(d.Shares) > maxTable {
		return
	}
	t := table{columns: []column{
		{title: "  NODE", least: 8}, {title: "CAPACITY", right: true}, {title: "TARGETS", right: true}, {title: "SHARE", right: true},
		{title: "SCRAPES/S", right: true}, {title: "SAMPLES/S", right: true}, {title: "LOAD", right: true},
	}}
	for _, s := range d.Shares {
		row := cells("  "+s.Name, "", number(s.Targets), "", fmt.Sprintf("%.1f", s.SlotsPerSecond), "", fmt.Sprintf("%.2fx", s.OfMean))
		if s.Capacity > 0 {
			row[1].text = fmt.Sprintf("%g", s.Capacity)
		}
		if owned := d.Targets - d.Unowned; owned > 0 {
			row[3].text = fmt.Sprintf("%.1f %%", 100*float64(s.Targets)/float64(owned))
		}
		if s.SamplesPerSecond > 0 {
			row[5].text = number(int(s.SamplesPerSecond + 0.5))
		}
		t.add(row...)
	}
	t.write(p)
}
