package operator

import (
	"github.com/prometheus/prometheus/config"

	"github.com/divvy-collector/divvy/telemetry"
)

// A Job is one scrape configuration that an object asks for, with its targets.
// It is immutable.
type Job struct {
	Name      string // unique among all jobs: podMonitor/namespace/name/0
	Namespace string // of the object
	Object    string // its name

	// Scrape is complete: defaults are applied, secrets are in it. Its
	// discovery and its relabelling of targets have happened; what is left are
	// the settings of scrapes and the rules for series. It is the same pointer
	// as before unless it changed.
	Scrape *config.ScrapeConfig

	Targets []Target
}

// A Target is one thing to scrape. It is immutable.
type Target struct {
	// Labels are final: the public ones, and of the others those that say how
	// to scrape: __address__, __scheme__, __metrics_path__, __param_*,
	// __scrape_interval__, __scrape_timeout__ and those about histograms.
	Labels telemetry.Labels

	// Own are the labels that were discovered for this target alone, and Shared
	// those that it has in common with its group, both before relabelling and
	// without the defaults of the job. Where both have a label, Own counts.
	Own, Shared telemetry.Labels
}
