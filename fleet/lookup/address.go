package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Prefixes of addresses.
const (
	onlyHosts   = "dns+"       // A and AAAA
	onlySRV     = "dnssrv+"    // SRV, then A and AAAA
	onlySRVName = "dnssrvnoa+" // SRV
)

// An address is one element of Config.Join, taken apart.
type address struct {
	text string // as written
	how  string // prefix, or ""
	host string // name, or IP address without brackets
	port uint16 // 0: none is written
}

// parseAddress takes an address apart. It fails if text cannot be one.
func parseAddress(text string) (address, error) {
	a := address{text: strings.TrimSpace(text)}
	rest := a.text
	for _, prefix := range []string{onlyHosts, onlySRV, onlySRVName} {
		if after, ok := strings.CutPrefix(rest, prefix); ok {
			a.how, rest = prefix, after
		}
	}
	if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
		a.host = ip.String() // an IPv6 address has colons, and maybe no port
		return a, nil
	}
	a.host = rest
	if strings.Contains(rest, ":") {
		host, port, err := net.SplitHostPort(rest)
		n, numErr := strconv.ParseUint(port, 10, 16)
		if err != nil || numErr != nil || n == 0 {
			return a, fmt.Errorf("address %q is not host or host:port", text)
		}
		a.host, a.port = host, uint16(n)
	}
	if a.host == "" || strings.ContainsAny(a.host, "/ ") {
		return a, fmt.Errorf("address %q has no host", text)
	}
	return a, nil
}

// A found is what one step yields: an IP address or a name, and the port of
// its SRV record, or 0.
type found struct {
	host string
	port uint16
}

// resolveOne returns host:port of every peer behind one address. The error
// names all that was tried.
func (c *Config) resolveOne(ctx context.Context, text string) ([]string, error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, err
	}
	var tried []string
	for _, step := range c.steps(a) {
		list, err := step.look(ctx, a.host)
		if len(list) > 0 {
			return c.spell(a, list), nil
		}
		if err == nil {
			err = errors.New("no record")
		}
		tried = append(tried, step.name+": "+err.Error())
	}
	return nil, fmt.Errorf("%q (%s)", a.text, strings.Join(tried, ", "))
}

// A step is one way to find what is behind a host.
type step struct {
	name string
	look func(ctx context.Context, host string) ([]found, error)
}

// steps returns what is to be tried for a, in order.
func (c *Config) steps(a address) []step {
	hosts, srv := step{"A/AAAA", c.hosts}, step{"SRV", c.services}
	_, notIP := netip.ParseAddr(a.host)
	switch {
	case notIP == nil:
		return []step{{"IP", func(context.Context, string) ([]found, error) { return []found{{host: a.host}}, nil }}}
	case a.how == onlyHosts:
		return []step{hosts}
	case a.how == onlySRV:
		return []step{srv}
	case a.how == onlySRVName:
		return []step{{"SRV", c.serviceNames}}
	}
	return []step{hosts, srv}
}

// spell returns host:port of each, with the port that counts.
func (c *Config) spell(a address, list []found) []string {
	var out []string
	for _, f := range list {
		port := c.Port
		if f.port != 0 {
			port = f.port
		}
		if a.port != 0 {
			port = a.port
		}
		out = append(out, net.JoinHostPort(f.host, strconv.Itoa(int(port))))
	}
	return out
}

func (c *Config) resolver() Resolver {
	if c.Resolver != nil {
		return c.Resolver
	}
	return net.DefaultResolver
}

// hosts looks up A and AAAA records.
func (c *Config) hosts(ctx context.Context, host string) ([]found, error) {
	addrs, err := c.resolver().LookupNetIP(ctx, "ip", host)
	var list []found
	for _, a := range addrs {
		list = append(list, found{host: a.Unmap().String()})
	}
	return list, err
}

// serviceNames looks up SRV records.
func (c *Config) serviceNames(ctx context.Context, host string) ([]found, error) {
	_, records, err := c.resolver().LookupSRV(ctx, "", "", host)
	var list []found
	for _, r := range records {
		list = append(list, found{strings.TrimSuffix(r.Target, "."), r.Port})
	}
	return list, err
}

// services looks up SRV records and the addresses of their targets. Targets
// without an address are left out while others have one.
func (c *Config) services(ctx context.Context, host string) ([]found, error) {
	targets, err := c.serviceNames(ctx, host)
	if err != nil {
		return nil, err
	}
	var all []found
	var errs []error
	for _, t := range targets {
		at, err := c.hosts(ctx, t.host)
		if err != nil {
			errs = append(errs, err)
		}
		for _, f := range at {
			all = append(all, found{f.host, t.port})
		}
	}
	if len(errs) > 0 {
		err = list(errs)
	}
	return all, err
}
