package lookup

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-discover/provider/gce"
	"github.com/hashicorp/go-discover/provider/linode"
	"github.com/hashicorp/go-discover/provider/mdns"
	"github.com/hashicorp/go-discover/provider/tencentcloud"
)

// A Provider looks up the addresses of machines that have been marked as
// peers, in ways of its own.
type Provider interface {
	// Addrs returns host or host:port of each. question is what
	// Config.Provider says.
	Addrs(question map[string]string, log *log.Logger) ([]string, error)
}

// providers are those that Config.Provider may always name: they cost less
// than a megabyte each, and their vendors' libraries are looked after. See
// docs/dependencies.md for those that are left out.
func providers() map[string]Provider {
	return map[string]Provider{
		"gce":          &gce.Provider{},
		"linode":       &linode.Provider{},
		"mdns":         &mdns.Provider{},
		"tencentcloud": &tencentcloud.Provider{},
	}
}

// leftOut are providers that people may know from elsewhere.
var leftOut = []string{
	"aliyun", "aws", "azure", "digitalocean", "os", "packet", "scaleway", "softlayer", "triton", "vsphere",
}

// chosen returns the question and whom to ask.
func (c *Config) chosen() (map[string]string, Provider, error) {
	question, err := parseQuestion(c.Provider)
	if err != nil {
		return nil, nil, fmt.Errorf("read %q: %w", c.Provider, err)
	}
	known := providers()
	maps.Copy(known, c.Providers)
	name := question["provider"]
	if p := known[name]; p != nil {
		return question, p, nil
	}
	reason := "is unknown"
	if slices.Contains(leftOut, name) {
		reason = "is not part of this build"
	}
	return nil, nil, fmt.Errorf("provider %q %s; there are %s. Addresses that the DNS knows can be joined without one",
		name, reason, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// ask returns what the provider answers. Providers take no context; one that
// answers after ctx is done is waited for by nobody.
func (c *Config) ask(ctx context.Context) ([]string, error) {
	question, p, err := c.chosen()
	if err != nil {
		return nil, err
	}
	type answer struct {
		addrs []string
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		addrs, err := p.Addrs(question, c.lines())
		answers <- answer{addrs, err}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("ask provider %s for peers: %w", question["provider"], ctx.Err())
	case a := <-answers:
		if a.err != nil {
			return nil, fmt.Errorf("ask provider %s for peers: %w", question["provider"], a.err)
		}
		return unique(c.complete(a.addrs)), nil
	}
}

// complete adds the port to addresses that have none.
func (c *Config) complete(addrs []string) []string {
	list := slices.Clone(addrs)
	for i, addr := range list {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			list[i] = net.JoinHostPort(strings.Trim(addr, "[]"), strconv.Itoa(int(c.Port)))
		}
	}
	return list
}

// lines returns a logger for what providers have to say, which is for those
// who look for a mistake.
func (c *Config) lines() *log.Logger {
	if c.Log == nil {
		return slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	}
	return slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug)
}
