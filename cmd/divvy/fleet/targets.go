package fleet

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// orders are what targets can be sorted by, and healths what they can be.
var (
	orders  = []string{"url", "owner", "health", "duration", "samples"}
	healths = []string{status.Up, status.Down, status.Unknown}
)

// newTargets returns divvy fleet targets.
func newTargets(s *session) *cobra.Command {
	q := report.Query{Limit: 50}
	cmd := &cobra.Command{
		Use:   "targets",
		Short: "List targets and who scrapes them",
		Long: "List the targets of the fleet, who scrapes each, and how its last scrape went.\n\n" +
			"A selector is written as in PromQL: {job=\"api\",env=~\"p.*\"}; the braces and the quotes of simple\n" +
			"values may be left out. The exit code is 0 whatever the targets' health.",
		Example: "  divvy fleet targets -l job=api --health down\n" +
			"  divvy fleet targets --sort -duration --limit 10\n" +
			"  divvy fleet targets --owner node3 --limit 0 --json | jq -r '.targets[].url'",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkQuery(q); err != nil {
				return err
			}
			return tell(cmd.Context(), s, question{"targets", params(q)}, showTargets)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&q.Matchers, "selector", "l", q.Matchers, "`labels` that targets must have, such as job=api,env=~p.*")
	fs.StringVarP(&q.Text, "query", "q", q.Text, "`text` that must be in the URL or in a label's value")
	fs.StringVar(&q.Component, "component", q.Component, "`ID` of the component that has them")
	fs.StringVar(&q.Owner, "owner", q.Owner, "`node` that scrapes them")
	fs.StringVar(&q.Health, "health", q.Health, "`state`: up, down or unknown")
	fs.StringVar(&q.Sort, "sort", q.Sort, "`order`: url, owner, health, duration or samples; with - in front, backwards")
	fs.IntVar(&q.Limit, "limit", q.Limit, "`number` of targets to list; 0 all")
	complete(cmd, "health", healths)
	complete(cmd, "sort", orders)
	s.completeKnown(cmd, "owner", nameOf)
	s.completeKnown(cmd, "component", componentsOf)
	return cmd
}

// checkQuery refuses what the node would refuse, in the words of the flags.
func checkQuery(q report.Query) error {
	switch {
	case q.Health != "" && !slices.Contains(healths, q.Health):
		return unasked(fmt.Errorf("--health %q is none of %s", q.Health, strings.Join(healths, ", ")))
	case q.Sort != "" && !slices.Contains(orders, strings.TrimPrefix(q.Sort, "-")):
		return unasked(fmt.Errorf("--sort %q is none of %s", q.Sort, strings.Join(orders, ", ")))
	case q.Limit < 0:
		return unasked(fmt.Errorf("--limit %d is negative; 0 lists all", q.Limit))
	}
	return nil
}

// params returns a query as the API takes it.
func params(q report.Query) url.Values {
	v := url.Values{}
	for name, text := range map[string]string{
		"q": q.Text, "l": q.Matchers, "component": q.Component, "owner": q.Owner, "health": q.Health, "sort": q.Sort, "url": q.URL,
	} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.Limit == 0 {
		q.Limit = math.MaxInt32
	}
	v.Set("limit", strconv.Itoa(q.Limit))
	return v
}

// showTargets shows the targets as a table.
func showTargets(p paper, a answer, page report.Page) (well bool) {
	p.line("%s", counted(page))
	p.warnSilent(page.Silent)
	if len(page.Targets) == 0 {
		return true
	}
	p.line("")
	t := table{columns: []column{
		{title: "OWNER", least: 8}, {title: "HEALTH"}, {title: "SCRAPED"}, {title: "TOOK", right: true},
		{title: "SAMPLES", right: true}, {title: "TARGET", least: 24}, {title: "COMPONENT", least: 12, tail: true}, {title: "ERROR", least: 20},
	}}
	for _, pl := range page.Targets {
		t.add(placementRow(a.at, pl)...)
	}
	t.write(p)
	return true
}

// counted says how many targets there are, and how many are shown.
func counted(page report.Page) string {
	text := count(page.Matched, "target")
	if page.Matched != page.Total {
		text += " of " + number(page.Total)
	}
	if shown := len(page.Targets); shown < page.Matched {
		text += fmt.Sprintf("; the first %s are shown, --limit 0 shows all", number(shown))
	}
	return text
}

// placementRow returns the row of a target.
func placementRow(now time.Time, pl report.Placement) []cell {
	row := cells(pl.Owner, pl.Health, ago(now, pl.At), "", "", pl.URL, pl.Component, reason(pl.Scrape))
	if pl.Owner == "" {
		row[0] = cell{"nobody", bad}
	}
	if !pl.At.IsZero() {
		row[3].text, row[4].text = span(pl.Duration), number(pl.Samples)
	}
	if pl.Health == status.Down {
		row[1].tone, row[7].tone = bad, bad
	}
	return row
}

// reason returns why a scrape failed, without the URL, which is beside it.
func reason(s status.Scrape) string {
	if !strings.HasPrefix(s.Err, "Get \"") {
		return s.Err
	}
	if _, after, ok := strings.Cut(s.Err, "\": "); ok {
		return after
	}
	return s.Err
}
