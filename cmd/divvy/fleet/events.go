package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// pollEvery is how often events are asked for while they are followed.
const pollEvery = 2 * time.Second

// An events command reads what happened.
type events struct {
	*session
	since  time.Duration // how far back; 0: as far as nodes remember
	follow bool
	every  time.Duration // between two questions while following
}

// newEvents returns divvy fleet events.
func newEvents(s *session) *cobra.Command {
	e := &events{session: s, every: pollEvery}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List who came, went and died, and what moved",
		Long: "List what happened in the cluster, as all nodes saw it, the latest last: nodes that joined, left, died\n" +
			"or came back, and configurations that were loaded or refused. MOVED is how many targets changed hands.\n" +
			"Times are in UTC.",
		Example: "  divvy fleet events --since 1h\n  divvy fleet events --follow",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if e.since < 0 {
				return unasked(fmt.Errorf("--since %s is negative", e.since))
			}
			return e.run(cmd.Context())
		},
	}
	cmd.Flags().DurationVar(&e.since, "since", e.since, "list what happened in this last `time`; 0: all that nodes remember")
	cmd.Flags().BoolVarP(&e.follow, "follow", "f", e.follow, "go on listing what happens, until interrupted")
	return cmd
}

// run lists events once, or until ctx is done or a signal comes.
func (e *events) run(ctx context.Context) error {
	var got chronicle
	a, err := e.node.ask(ctx, question{path: "events"}, &got)
	if err != nil {
		return err
	}
	if e.json && !e.follow && e.since == 0 {
		return e.pass(a)
	}
	news := got.after(a.at, e.since)
	switch {
	case e.json && e.follow:
		writeEach(e.Out, news)
	case e.json:
		return unasked(json.NewEncoder(e.Out).Encode(news.raws()))
	default:
		e.show(a.at, news)
	}
	if !e.follow {
		return nil
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	e.poll(ctx, got)
	return nil
}

// show shows events as a table.
func (e *events) show(now time.Time, news chronicle) {
	p := e.paper()
	if len(news) == 0 {
		p.line("nothing has happened%s", within(e.since))
		return
	}
	t := table{columns: eventColumns()}
	for _, n := range news {
		t.add(eventRow(now, n.Event)...)
	}
	t.write(p)
}

// within says how far back was looked.
func within(since time.Duration) string {
	if since == 0 {
		return " that nodes remember"
	}
	return " in the last " + span(since)
}

// eventColumns are those of eventRow.
func eventColumns() []column {
	return []column{
		{title: "TIME"}, {title: "AGO"}, {title: "NODE", least: 8}, {title: "EVENT"}, {title: "MOVED", right: true}, {title: "", least: 20},
	}
}

// eventRow returns the row of an event.
func eventRow(now time.Time, e report.Event) []cell {
	row := cells(human.Clock(now, e.At), ago(now, e.At), e.Node, e.Kind, moved(e.Moved), e.Text)
	switch e.Kind {
	case "died", "conflict", "refused", "fenced":
		row[3].tone = bad
	}
	return row
}

// moved returns how many targets changed hands; nothing if that is not known.
func moved(n int) string {
	if n < 0 {
		return ""
	}
	return number(n)
}

// poll shows what happens from now on, each event once. A node that gives no
// answer is asked again: what happens to it is of interest.
func (e *events) poll(ctx context.Context, seen chronicle) {
	known := map[happening]bool{}
	for _, s := range seen {
		known[s.happening()] = true
	}
	silent := false
	ticker := time.NewTicker(e.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var got chronicle
		a, err := e.node.ask(ctx, question{path: "events"}, &got)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !silent {
			fmt.Fprintln(e.Err, err)
		}
		if silent = err != nil; silent {
			continue
		}
		e.report(a.at, got.without(known))
	}
}

// report shows events as they come, without knowing how wide the next are.
func (e *events) report(now time.Time, news chronicle) {
	if e.json {
		writeEach(e.Out, news)
		return
	}
	p := e.paper()
	for _, n := range news {
		row := eventRow(now, n.Event)
		kind := p.tinted(row[3].tone, inCell(fmt.Sprintf("%-9s", row[3].text)))
		p.raw(fmt.Sprintf("%s  %-12s  %s  %6s  %s", row[0].text, inCell(row[2].text), kind, row[4].text, inCell(row[5].text)))
	}
}

// A chronicle is events, the latest last.
type chronicle []told

// told is an event with the JSON that it came as.
type told struct {
	report.Event
	raw json.RawMessage
}

// UnmarshalJSON keeps the text beside what it means.
func (t *told) UnmarshalJSON(text []byte) error {
	t.raw = append(t.raw[:0], text...)
	return json.Unmarshal(text, &t.Event)
}

// A happening is what makes an event the same, whoever tells it.
type happening struct {
	at               int64 // Unix ns
	node, kind, text string
}

func (t told) happening() happening {
	return happening{t.At.UnixNano(), t.Node, t.Kind, t.Text}
}

// after returns the events of the last while; of all time if that is 0.
func (c chronicle) after(now time.Time, while time.Duration) chronicle {
	news := chronicle{}
	for _, t := range c {
		if while == 0 || t.At.After(now.Add(-while)) {
			news = append(news, t)
		}
	}
	return news
}

// without returns the events that are not known, and makes them known.
func (c chronicle) without(known map[happening]bool) chronicle {
	var news chronicle
	for _, t := range c {
		if !known[t.happening()] {
			known[t.happening()] = true
			news = append(news, t)
		}
	}
	return news
}

// raws returns the events as they came.
func (c chronicle) raws() []json.RawMessage {
	list := make([]json.RawMessage, len(c))
	for i, t := range c {
		list[i] = t.raw
	}
	return list
}

// writeEach writes events one on each line, as they came.
func writeEach(w io.Writer, news chronicle) {
	for _, t := range news {
		fmt.Fprintf(w, "%s\n", t.raw)
	}
}
