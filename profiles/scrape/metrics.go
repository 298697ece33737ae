package scrape

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the pool's metrics about itself. Slots are counted per profile:
// one of a target with five types is five.
type metrics struct {
	latency   prometheus.Histogram // of Sink.Append, seconds
	forwarded prometheus.Counter   // profiles that the sink took

	served    prometheus.Counter
	failed    prometheus.Counter
	late      prometheus.Counter
	missed    prometheus.Counter
	caughtUp  prometheus.Counter
	discarded prometheus.Counter // also missed

	moved    prometheus.Counter // targets
	sent     prometheus.Counter // baselines
	received prometheus.Counter
	firsts   prometheus.Counter
}

// newMetrics returns metrics that are registered with r, if there is one. owned
// counts the targets that are ours, when asked.
func newMetrics(r prometheus.Registerer, owned func() float64) (*metrics, error) {
	var err error
	add := func(c prometheus.Collector) {
		if r != nil && err == nil {
			err = r.Register(c)
		}
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		add(c)
		return c
	}
	add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "divvy_profile_targets", Help: "Targets whose profiles this node takes.",
	}, owned))
	m := &metrics{
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pyroscope_fanout_latency", Help: "Write latency for sending to direct and indirect components.",
		}),
		forwarded: counter("pyroscope_forwarded_entries_total", "Profiles that were sent to downstream components."),
		served:    counter("divvy_profile_slots_served_total", "Slots of profiles at which the target was asked, successful or not."),
		failed:    counter("divvy_profiles_failed_total", "Profiles that a target refused, or that were none."),
		late:      counter("divvy_profile_slots_late_total", "Slots of profiles that were served later than a tick."),
		missed:    counter("divvy_profile_slots_missed_total", "Slots of profiles that this node was to serve and did not, among them those that found the profile before not done."),
		caughtUp:  counter("divvy_profile_slots_caught_up_total", "Slots of profiles that were served in place of a node that had died by then."),
		discarded: counter("divvy_profile_slots_discarded_total", "Profiles that were thrown away because this process was stopped meanwhile."),
		moved:     counter("divvy_profile_targets_moved_total", "Targets of profiles that have moved from this node to another one."),
		sent:      counter("divvy_profile_baselines_sent_total", "Baselines of deltas that were handed to the new owner of their target."),
		received:  counter("divvy_profile_baselines_received_total", "Baselines of deltas that came from the former owner of their target."),
		firsts:    counter("divvy_profile_deltas_begun_total", "Profiles that no delta was made of, since the one before is not known: the first of a target, or of one whose node died."),
	}
	add(m.latency)
	return m, err
}
