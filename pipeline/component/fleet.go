package component

import (
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Powers of an Instance by which the fleet is understood. All of them answer
// from memory.
type (
	// A Scraper has targets. With clustering it lists those of the other nodes,
	// too.
	Scraper interface {
		Targets() []status.Target

		// Census returns which ones they are, in short. It is asked for every
		// few seconds.
		Census() status.Census

		// Scrapes returns the recent scrapes of a target by this node, the
		// oldest first; none if the key is not known. Of those that failed the
		// last one has its error; the others have one that says just that.
		Scrapes(key owner.Key) []status.Scrape

		// Discovered returns the labels that a target came with, those that
		// begin with __ included, or false if the key is not known.
		Discovered(key owner.Key) (telemetry.Labels, bool)

		// Origins returns the same of all targets that are wanted, by key.
		Origins(wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels
	}

	// A Relabeller passes targets on through rules. Explain returns the way of
	// each target that wanted returns true for, among them those that it drops:
	// they have no labels after. wanted sees labels as they are shown, without
	// passwords; nothing but the rules themselves is worked out for the others.
	Relabeller interface {
		Explain(wanted func(before, after telemetry.Labels) bool) []status.Relabelling
	}

	// A Deliverer sends what it gets to endpoints.
	Deliverer interface {
		Endpoints() []status.Endpoint

		// History returns the last hour of an endpoint, the oldest point
		// first; none if there is no endpoint of that name.
		History(endpoint string) []status.Point
	}
)

// Power returns the instance as a T, such as a Scraper, if it is one.
func Power[T any](r Running) (T, bool) {
	t, ok := r.instance.(T)
	return t, ok
}
