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

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Config says which profiles of its targets a Pool takes, and how. Targets may
// override job, scheme, path, prefix and parameters by labels.
type Config struct {
	JobName  string        // label job
	Interval time.Duration // between two slots of a target
	Timeout  time.Duration // of one profile, beyond the time that it lasts

	// Lasting is how long the profiles last that do; whole seconds. Zero: a
	// second less than Interval.
	Lasting time.Duration

	Scheme     string // http or https
	PathPrefix string // before each type's path
	Params     url.Values
	HTTP       config.HTTPClientConfig
	Types      []Type // in the order in which people see them; no name twice
	Limits     Limits

	// Drain is how long Run waits for profiles in flight once its ctx is done.
	// Zero: as long as they take, at most their timeouts.
	Drain time.Duration

	Self     string                 // this node's name in View
	View     *cell.Cell[owner.View] // who serves which slot
	Lease    *schedule.Lease        // how long View may be acted upon; nil: always
	Log      *slog.Logger           // nil discards
	Registry prometheus.Registerer  // nil: metrics are kept but not shown
	Live     *live.Feed             // told of each profile; may be nil
	Flow     *live.Flow             // counts profiles; may be nil

	// Dial connects to targets; nil is a plain net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Tell sends a note to the pool of the same name on another node, which
	// gets it by Told, or not. It returns at once. Nil: there is nobody.
	Tell func(node string, note []byte)

	// Reaches reports whether notes to a node may arrive. Nil: none may.
	Reaches func(node string) bool
}

// A Type is one sort of profile.
type Type struct {
	Name  string // such as memory; label __name__, but for godeltaprof_memory and the like
	Path  string // on the target
	Lasts bool   // it is asked for seconds=N
}

// Limits make a profile fail that goes beyond them. Zero is the default.
type Limits struct {
	Body    int64 // bytes as they come; 16 MiB
	Profile int64 // bytes inflated; 64 MiB
}

const (
	defaultBody    = 16 << 20
	defaultProfile = 64 << 20
)

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
	if c.View == nil {
		fail("view is not set")
	}
	seen := map[string]bool{}
	for _, t := range c.Types {
		if seen[t.Name] || t.Name == "" {
			fail("type of profile %q has no name, or that of another one", t.Name)
		}
		seen[t.Name] = true
		if t.Lasts && c.seconds() < 1 {
			fail("profile %s cannot last %s: it takes whole seconds, and must end before the next one", t.Name, c.lasting())
		}
	}
	return errors.Join(errs...)
}

// lasting returns how long profiles last that do.
func (c *Config) lasting() time.Duration {
	if c.Lasting > 0 {
		return c.Lasting
	}
	return c.Interval - time.Second
}

// seconds returns the same as a number, which is all that targets understand.
func (c *Config) seconds() int { return int(c.lasting() / time.Second) }

// body returns the limit on the bytes of an answer.
func (l *Limits) body() int64 {
	if l.Body > 0 {
		return l.Body
	}
	return defaultBody
}

// profile returns the limit on the bytes of a profile.
func (l *Limits) profile() int64 {
	if l.Profile > 0 {
		return l.Profile
	}
	return defaultProfile
}
