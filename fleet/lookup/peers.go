package lookup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Resolver asks the DNS. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)

	// LookupSRV returns the SRV records of name; service and proto are empty.
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Config says where to look for peers. The zero value finds none. It may be
// used by any number of goroutines.
type Config struct {
	Join     []string // addresses, as the package comment spells them
	Provider string   // whom to ask instead: "provider=name key=value …"; empty: nobody
	Port     uint16   // of peers whose port nothing tells

	Providers map[string]Provider // that Provider may name, besides those of this package

	Resolver Resolver     // nil: net.DefaultResolver
	Log      *slog.Logger // gets addresses that lead nowhere while others do; nil: none
}

// timeout bounds one look.
const timeout = 10 * time.Second

// Validate returns everything that is known to be wrong with c before anybody
// is asked, or nil.
func (c *Config) Validate() error {
	var errs []error
	for _, text := range c.Join {
		_, err := parseAddress(text)
		errs = append(errs, err)
	}
	if c.Provider != "" {
		_, _, err := c.chosen()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Peers returns host:port of the peers that can be found now, each once, in
// the order of Join. Without Join and Provider there are none. It takes at
// most some seconds. An error says that there is nothing where there should
// be, and why.
func (c *Config) Peers(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case c.Provider != "":
		return c.ask(ctx)
	case len(c.Join) > 0:
		return c.resolve(ctx)
	}
	return nil, nil
}

// resolve looks all addresses of Join up at the same time.
func (c *Config) resolve(ctx context.Context) ([]string, error) {
	found, errs := make([][]string, len(c.Join)), make([]error, len(c.Join))
	var wg sync.WaitGroup
	for i, text := range c.Join {
		wg.Go(func() { found[i], errs[i] = c.resolveOne(ctx, text) })
	}
	wg.Wait()
	peers := unique(slices.Concat(found...))
	why := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(peers) == 0 {
		return nil, fmt.Errorf("static peer discovery: failed to find any valid join addresses: %w", list(why))
	}
	if len(why) > 0 && c.Log != nil {
		c.Log.Warn("some join addresses lead nowhere; the others are used", "err", list(why))
	}
	return peers, nil
}

// unique returns list without repetitions, in order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// list joins errors in one line.
func list(errs []error) error {
	text := make([]string, len(errs))
	for i, err := range errs {
		text[i] = err.Error()
	}
	return errors.New(strings.Join(text, "; "))
}
