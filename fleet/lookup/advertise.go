package lookup

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Self says where a node is. The zero value looks at nothing.
type Self struct {
	Address    string   // host or host:port that peers are told; empty: found out
	Interfaces []string // whose addresses count when Address is empty; "all": every one

	Listen   netip.AddrPort // that the node answers on; its port is that of Address, where that has none
	Resolver Resolver       // of a name in Address; nil: net.DefaultResolver

	// Addrs returns the addresses of one interface, or of all for "all". nil:
	// those of this machine.
	Addrs func(name string) ([]netip.Addr, error)
}

// Find returns where peers reach the node: Address, else the one address that
// it listens on, else the first good address of its interfaces: global ones
// before link-local ones, IPv4 before IPv6. If there is none it is the
// loopback address, which only nodes of the same machine reach. An error says
// that Address cannot be used.
func (s *Self) Find(ctx context.Context) (netip.AddrPort, error) {
	port := s.Listen.Port()
	if s.Address != "" {
		return s.explicit(ctx, port)
	}
	if at := s.Listen.Addr(); at.IsValid() && !at.IsUnspecified() {
		return netip.AddrPortFrom(at.Unmap(), port), nil
	}
	if at, ok := s.best(); ok {
		return netip.AddrPortFrom(at, port), nil
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), nil
}

// explicit returns what Address says.
func (s *Self) explicit(ctx context.Context, port uint16) (netip.AddrPort, error) {
	a, err := parseAddress(s.Address)
	if err != nil || a.how != "" {
		return netip.AddrPort{}, fmt.Errorf("advertise address %q is not host or host:port", s.Address)
	}
	if a.port != 0 {
		port = a.port
	}
	if ip, err := netip.ParseAddr(a.host); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), port), nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := Config{Resolver: s.Resolver}
	ips, err := c.resolver().LookupNetIP(ctx, "ip", a.host)
	if err != nil || len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("advertise address %q leads nowhere: %w", s.Address, err)
	}
	return netip.AddrPortFrom(slices.MinFunc(ips, byGoodness).Unmap(), port), nil
}

// best returns the first good address of the interfaces. An interface that
// does not exist has none.
func (s *Self) best() (netip.Addr, bool) {
	addrs := s.Addrs
	if addrs == nil {
		addrs = ofMachine
	}
	var all []netip.Addr
	for _, name := range s.Interfaces {
		list, err := addrs(name)
		if err == nil {
			all = append(all, list...)
		}
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	slices.SortStableFunc(all, byGoodness)
	if len(all) == 0 || goodness(all[0]) == useless {
		return netip.Addr{}, false
	}
	return all[0], true
}

// useless is the goodness of addresses that no peer can use.
const useless = 4

// goodness ranks addresses, the best first.
func goodness(a netip.Addr) int {
	a = a.Unmap()
	rank := useless
	switch {
	case a.IsGlobalUnicast():
		rank = 0
	case a.IsLinkLocalUnicast():
		rank = 2
	}
	if rank < useless && a.Is6() {
		rank++
	}
	return rank
}

func byGoodness(a, b netip.Addr) int { return goodness(a) - goodness(b) }

// ofMachine returns the addresses of an interface of this machine.
func ofMachine(name string) ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if name != "all" {
		i, noInterface := net.InterfaceByName(name)
		if noInterface != nil {
			return nil, noInterface
		}
		list, err = i.Addrs()
	}
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, p.Addr())
		}
	}
	return addrs, nil
}
