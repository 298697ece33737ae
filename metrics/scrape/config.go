package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Config says how the targets of a Pool are scraped. Targets may override
// job, scheme, path, parameters, interval and timeout by labels.
type Config struct {
	JobName     string        // label job
	Interval    time.Duration // between two slots of a target
	Timeout     time.Duration // of one scrape; at most Interval
	MetricsPath string
	Scheme      string // http or https
	Params      url.Values
	HTTP        config.HTTPClientConfig
	Compression bool // ask for gzip

	Protocols      []Protocol // in the order of preference
	Fallback       Protocol   // for answers whose Content-Type says nothing
	EscapingScheme model.EscapingScheme

	walk.Rules       // what is made of an answer; DefaultType is set by Fallback
	TargetLimit uint // of the pool; beyond it all scrapes fail; 0: none

	NativeHistograms  bool // take native histograms
	ClassicHistograms bool // take classic ones beside native ones
	ConvertToNHCB     bool // convert classic ones to native ones with custom buckets

	// FinalKeys takes the key of a target from what it is in the end, its URL and
	// the labels of its series, and not from the labels that it comes with. It is
	// for targets that rules were applied to already.
	FinalKeys bool

	FailureLog string // file that failed scrapes are logged to; empty: none

	Self     string                 // this node's name in View
	View     *cell.Cell[owner.View] // who serves which slot
	Lease    *schedule.Lease        // how long View may be acted upon; nil: always
	Log      *slog.Logger           // nil discards
	Registry prometheus.Registerer  // nil: metrics are kept but not shown

	// Commons is what this pool shares with others of its component, Registry
	// among it; nil: nothing.
	Commons *Commons

	// Live is told of the scrapes and their samples, Flow how many there are.
	// Both may be nil.
	Live *live.Feed
	Flow *live.Flow

	// Dial connects to targets; nil is a plain net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Tell sends a note to the pool of the same name on another node, which
	// gets it by Told, or not. It returns at once. Nil: there is nobody.
	Tell func(node string, note []byte)

	// Reaches reports whether notes to a node may arrive: it lives and knows
	// what they mean. Nil: none may.
	Reaches func(node string) bool
}

// Validate reports everything that is wrong with c, joined. It changes nothing.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Interval < time.Millisecond {
		fail("scrape interval %s is less than a millisecond", c.Interval)
	}
	if c.Timeout <= 0 {
		fail("scrape timeout %s is not positive", c.Timeout)
	}
	if c.Timeout > c.Interval {
		fail("scrape timeout %s is greater than the scrape interval %s", c.Timeout, c.Interval)
	}
	for _, p := range c.Protocols {
		if p.media() == "" {
			fail("unknown scrape protocol %q", p)
		}
	}
	if c.Fallback != "" && c.Fallback.media() == "" {
		fail("unknown fallback protocol %q", c.Fallback)
	}
	if c.ValidationScheme == model.UnsetValidation {
		fail("name validation scheme is not set")
	}
	if c.View == nil {
		fail("view is not set")
	}
	return errors.Join(errs...)
}
