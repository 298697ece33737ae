package jobs

import (
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/telemetry"
)

// A Job is targets that are scraped in one way. It is immutable.
type Job struct {
	Name     string    // unique
	Settings *Settings // the same pointer as before unless they have changed

	// Targets are final: no rules are applied to them any more. No two of all
	// jobs may have the same URL and public labels.
	Targets []telemetry.Target

	// Foreign are the keys by which nodes of other software know the targets,
	// one for each of them; empty: they know them by the same keys.
	Foreign []owner.Key
}

// Settings say how the targets of a job are scraped. They are immutable.
type Settings struct {
	// Scrape says all that is not the component's: what New was given for the
	// fields from Self on, and for FinalKeys, replaces what is there.
	Scrape scrape.Config

	Rules []*relabel.Config // of series, before the sink; valid
}
