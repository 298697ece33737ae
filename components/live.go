package components

import (
	"fmt"
	"sync/atomic"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// showTargets returns what tells those who watch an instance about each list of
// targets that it has found: how many there are, and each of them. Who begins to
// watch is told the latest list first.
func showTargets(env component.Env) func([]telemetry.Target) {
	var latest atomic.Pointer[[]telemetry.Target]
	env.Live.Greet(func(say func(string)) {
		if list := latest.Load(); list != nil {
			sayTargets(*list, func(line func() string) { say(line()) })
		}
	})
	return func(list []telemetry.Target) {
		latest.Store(&list)
		env.Flow.Add(len(list))
		if env.Live.Watched() {
			sayTargets(list, env.Live.Say)
		}
	}
}

// sayTargets says a list of targets.
func sayTargets(list []telemetry.Target, say func(line func() string)) {
	say(func() string { return fmt.Sprintf("targets: %d found", len(list)) })
	for _, t := range list {
		say(func() string { return "target: " + status.HideLabels(t).String() })
	}
}
