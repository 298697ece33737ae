// Package profiles holds the nouns of the profiles' path: Profile, and Sink,
// the seam between those who get profiles and those who pass them on.
//
//	scrape, receive ─► relabel ─► push ─► queue.Log ─► HTTP
//
// A profile is not decoded on its way: it is bytes with labels. Labels are what
// rules work on. Some of them mean something to the server that the profile
// goes to: __name__ is the kind of profile, such as process_cpu or memory;
// service_name is whose it is; __delta__ is "false" where the server is not to
// compute differences, since the values are those from one profile to the next.
//
// Invariant: whoever has appended a profile may use its bytes again as soon as
// Append has returned.
// Invariant: this package starts nothing.
package profiles

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/telemetry"
)

// Names of labels that mean something to those who pass profiles on, or to the
// servers that they end at.
const (
	LabelName    = "__name__"       // kind of profile
	LabelService = "service_name"   // whose profile it is
	LabelDelta   = "__delta__"      // "false": the server is not to compute differences
	LabelSession = "__session_id__" // which process's series it is
)

// ErrLabels says that a profile has labels that no server would take. It would
// be refused again.
var ErrLabels = errors.New("labels that no server would take")

// A Profile is what one series says at one time.
type Profile struct {
	// Labels name the series. None of them is empty.
	Labels telemetry.Labels

	// Raw is a profile in the format of pprof, with or without gzip; or, with
	// Ingest, what that says. It is not changed by anybody.
	Raw []byte

	// ID is the sender's name for this one profile; empty: none.
	ID string

	// At is when the profile ended or arrived; zero: now.
	At time.Time

	// Ingest is set where the profile came by the older way of pushing, POST
	// /ingest, and is to be sent on like that. Raw is the request's body then.
	Ingest *Ingest
}

// Ingest is what a request to /ingest says beside its body. It is not changed
// by anybody.
type Ingest struct {
	// Query has the parameters: format, from, until, sampleRate, spyName, units,
	// aggregationType and whatever else the sender knows. The name, which holds
	// labels, is made from Profile.Labels when it is sent.
	Query url.Values

	ContentType []string // values of that header
}

// A Sink takes profiles. Any number of goroutines may use it at the same time.
// Sinks are compared by identity.
type Sink interface {
	// Append returns nil once the sink is responsible for all of list: what it
	// cannot deliver then it counts. An error says that it has not taken some of
	// them; whoever appends them again may double the others. The sink keeps
	// neither list nor the bytes in it.
	Append(ctx context.Context, list []Profile) error
}

// Fanout returns a sink that appends to each of sinks. One that refuses does
// not keep the others from getting the profiles; the error then is that of all
// that refused. Without any sink profiles are dropped.
func Fanout(sinks []Sink) Sink {
	if len(sinks) == 1 {
		return sinks[0]
	}
	return &fanout{sinks: slices.Clone(sinks)}
}

type fanout struct{ sinks []Sink }

// Append appends to each sink in turn: each of them writes to a disk, or to
// another sink that does.
func (f *fanout) Append(ctx context.Context, list []Profile) error {
	var errs []error
	for i, s := range f.sinks {
		if err := s.Append(ctx, list); err != nil {
			errs = append(errs, fmt.Errorf("append to receiver %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}
