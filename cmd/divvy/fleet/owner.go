package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/fleet/report/words"
	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// newOwner returns divvy fleet owner.
func newOwner(s *session) *cobra.Command {
	q := report.Query{Limit: 50}
	cmd := &cobra.Command{
		Use:   "owner URL|LABELS|INSTANCE",
		Short: "Say who scrapes a target, since when, and why",
		Long: "Say who scrapes a target: by its URL, by labels such as job=api,instance=a:9100, or by its instance.\n\n" +
			"The exit code is 1 if no node knows such a target, or if one is scraped by nobody or by several.",
		Example: "  divvy fleet owner http://10.0.0.7:9100/metrics\n" +
			"  divvy fleet owner 10.0.0.7:9100\n" +
			"  divvy fleet owner '{job=\"api\",instance=\"10.0.0.7:9100\"}'",
		Args: exactly(1, "one URL, selector or instance"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 0 {
				return unasked(fmt.Errorf("--limit %d is negative; 0 shows all", q.Limit))
			}
			if err := mean(&q, args[0]); err != nil {
				return unasked(err)
			}
			return tell(cmd.Context(), s, question{"owner", params(q)}, func(p paper, a answer, page report.Page) bool {
				return showOwners(p, a, status.HidePasswords(args[0]), page)
			})
		},
	}
	cmd.Flags().StringVar(&q.Component, "component", q.Component, "`ID` of the component that has the target")
	cmd.Flags().IntVar(&q.Limit, "limit", q.Limit, "`number` of targets to show; 0 all")
	s.completeKnown(cmd, "component", componentsOf)
	return cmd
}

// mean puts what an argument means into q.
func mean(q *report.Query, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("the target is empty; give its URL, labels or instance")
	case strings.HasPrefix(text, "{"):
		q.Matchers = text
	case strings.Contains(text, "://"):
		q.URL = status.HidePasswords(text) // nodes know no other; so it does not travel either
	case strings.Contains(text, "="):
		q.Matchers = text
	default:
		q.Matchers = fmt.Sprintf("instance=%q", text)
	}
	return nil
}

// showOwners says of each target who scrapes it.
func showOwners(p paper, a answer, asked string, page report.Page) (well bool) {
	p.warnSilent(page.Silent)
	if page.Matched == 0 {
		p.say(bad, "no node knows a target %s; there are %s, see divvy fleet targets", asked, number(page.Total))
		return false
	}
	well = true
	rivals := rivalsOf(page.Targets)
	for i, pl := range page.Targets {
		if i > 0 {
			p.line("")
		}
		well = p.headline(pl, rivals[site(pl)]) && well
		p.placement(a.at, pl)
	}
	if left := page.Matched - len(page.Targets); left > 0 {
		p.line("\n%s more; --limit 0 shows all", number(left))
	}
	return well
}

// site says where a target is, for one component.
func site(pl report.Placement) string { return pl.Component + " " + pl.URL }

// rivalsOf returns the nodes that scrape each site, of targets that are to be
// scraped once. There are several where nodes disagree on who takes part, or where
// labels that differ between nodes make several targets of one.
func rivalsOf(placements []report.Placement) map[string][]string {
	rivals := map[string][]string{}
	for _, pl := range placements {
		if !pl.Clustered {
			continue
		}
		for _, node := range append([]string{pl.Owner}, pl.Owners...) {
			if node != "" && !slices.Contains(rivals[site(pl)], node) {
				rivals[site(pl)] = append(rivals[site(pl)], node)
			}
		}
	}
	return rivals
}

// headline says who scrapes a target, and returns whether that is one node.
func (p paper) headline(pl report.Placement, rivals []string) (well bool) {
	switch {
	case pl.Owner == "":
		p.say(bad, "%s is scraped by nobody", pl.URL)
	case len(rivals) > 1:
		p.say(bad, "%s is scraped by %s", pl.URL, words.List(rivals))
	default:
		p.say(good, "%s is scraped by %s", pl.URL, pl.Owner)
		return true
	}
	return false
}

// placement shows all that is known of where a target is.
func (p paper) placement(now time.Time, pl report.Placement) {
	row := func(name, text string) {
		if text != "" {
			p.line("  %-10s %s", name, text)
		}
	}
	row("labels", pl.Labels.String())
	row("component", pl.Component)
	row("owner", ownership(now, pl))
	row("why", pl.Why)
	row("known on", words.List(pl.Known))
	if !pl.Next.IsZero() {
		row("next slot", fmt.Sprintf("%s, %s, every %s", human.Stamp(pl.Next), ago(now, pl.Next), span(pl.Interval)))
	}
	if pl.At.IsZero() {
		row("scraped", "not yet")
		return
	}
	row("scraped", fmt.Sprintf("%s, %s, in %s: %s of %s, %s kept", human.Stamp(pl.At), ago(now, pl.At), span(pl.Duration),
		count(pl.Samples, "sample"), human.Bytes(int64(pl.Bytes)), number(pl.Kept)))
	row("health", pl.Health)
	row("error", pl.Err)
}

// ownership says who owns a target since when, and who did before.
func ownership(now time.Time, pl report.Placement) string {
	text := dash(pl.Owner)
	if !pl.Since.IsZero() {
		text += fmt.Sprintf(" since %s, %s", human.Stamp(pl.Since), ago(now, pl.Since))
	}
	if pl.Previous != "" {
		text += "; before, " + pl.Previous
	}
	return text
}
