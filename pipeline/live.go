package pipeline

import (
	"errors"
	"fmt"

	"github.com/divvy-collector/divvy/telemetry/live"
)

// ErrLiveOff is returned by Watch while the configuration does not allow it.
var ErrLiveOff = errors.New(`live debugging is off: add "livedebugging { enabled = true }" to the configuration`)

// ErrNoLive is wrapped by the error of Watch about a component that there is not,
// or that shows nothing of its data.
var ErrNoLive = errors.New("no live data")

// ShowLive says whether live data may be watched. They may not at first.
func (p *Pipeline) ShowLive(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = on
}

// LiveShown reports whether live data may be watched.
func (p *Pipeline) LiveShown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown
}

// Watch returns a watcher of what passes through a component, which gets each
// datum with this probability, from 0 to 1. The caller closes it; it ends by
// itself neither with the component nor when live data may not be watched any
// more.
func (p *Pipeline) Watch(id string, probability float64) (*live.Watcher, error) {
	inst, err := p.shownInstance(id)
	if err != nil {
		return nil, err
	}
	return inst.live.Watch(probability), nil
}

// shownInstance returns the instance whose live data may be watched.
func (p *Pipeline) shownInstance(id string) (*instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.tree.byID(id)
	switch {
	case !p.shown:
		return nil, ErrLiveOff
	case n == nil:
		return nil, fmt.Errorf("%w: there is no component %q", ErrNoLive, id)
	case n.inst == nil || n.inst.kind.Data == "":
		return nil, fmt.Errorf("%w of %q: components of its kind show none", ErrNoLive, id)
	}
	return n.inst, nil
}
