package ui

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// targetPage is all about one target.
type targetPage struct {
	targetRow
	Asked   string // the node that answers
	Plots   []plot
	Scrapes []status.Scrape // the latest first
	Failed  int             // of them
	Came    []labelPair     // labels that it came with to the scrape
	Series  []change        // labels of its series, against those that it came with
	Ways    []way           // through the rules before
}

// target is the model of a target's page.
func (u *UI) target(r *http.Request) (any, error) {
	if u.cfg.Fleet == nil {
		return nil, errNoFleet
	}
	l := linkOf(r)
	key, err := strconv.ParseUint(l.Get("key"), 10, 64)
	if err != nil || l.Get("component") == "" {
		return nil, refuse(http.StatusBadRequest, "A target is named by its component and the number that is its key.")
	}
	d, err := u.cfg.Fleet.Detail(r.Context(), l.Get("component"), owner.Key(key))
	if err != nil {
		return nil, refuse(http.StatusNotFound, "%s.", sentence(err.Error()))
	}
	return describeTarget(d, u.cfg.Fleet.Fleet(r.Context())), nil
}

// sentence returns text with a capital at its beginning.
func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// describeTarget returns the page about a target of the fleet f.
func describeTarget(d report.Detail, f report.Fleet) targetPage {
	page := targetPage{
		targetRow: targetRow{Placement: d.Placement, Self: d.Owner == f.Asked, Nodes: len(f.Nodes)},
		Asked:     f.Asked,
		Scrapes:   slices.Clone(d.Scrapes),
		Came:      pairs(d.Discovered),
		Series:    compare(d.Discovered, d.Labels),
		Plots:     scrapePlots(d.Scrapes),
	}
	slices.Reverse(page.Scrapes)
	// The list of the fleet's targets is a little older than the node's memory.
	if len(page.Scrapes) > 0 && page.Scrapes[0].At.After(page.At) {
		page.Scrape = page.Scrapes[0]
	}
	for _, s := range d.Scrapes {
		if s.Err != "" {
			page.Failed++
		}
	}
	for _, r := range d.Relabellings {
		page.Ways = append(page.Ways, newWay(r))
	}
	return page
}

// scrapePlots returns how long recent scrapes took and what they brought. Those
// that failed are apart from the others, so that they can be seen.
func scrapePlots(scrapes []status.Scrape) []plot {
	if len(scrapes) == 0 {
		return nil
	}
	took := plot{ID: "plot-duration", Title: "Duration", Unit: "seconds"}
	brought := plot{ID: "plot-samples", Title: "Samples"}
	var times []time.Time
	var fine, failed, exposed, kept []float64
	anyFailed := false
	for _, s := range scrapes {
		times = append(times, s.At)
		good, bad := s.Duration.Seconds(), math.NaN()
		if s.Err != "" { // NaN is a gap: a scrape is in one of the curves
			good, bad, anyFailed = bad, good, true
		}
		fine, failed = append(fine, good), append(failed, bad)
		exposed, kept = append(exposed, float64(s.Samples)), append(kept, float64(s.Kept))
	}
	took.Times, brought.Times = times, times
	took.Curves = []curve{{Name: "took", Values: fine, Points: true}}
	if anyFailed {
		took.Curves = append(took.Curves, curve{Name: "failed after", Values: failed, Tone: "bad", Points: true})
	}
	brought.Curves = []curve{{Name: "exposed", Values: exposed}}
	if !slices.Equal(exposed, kept) {
		brought.Curves = append(brought.Curves, curve{Name: "kept", Values: kept})
	}
	return []plot{took, brought}
}
