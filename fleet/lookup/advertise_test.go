package lookup

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// Peers are told the address that they can use.
func TestSelfIsFoundWhereItAnswers(t *testing.T) {
	machine := func(name string) ([]netip.Addr, error) {
		var list []netip.Addr
		for _, text := range strings.Fields(map[string]string{
			"lo":   "127.0.0.1 ::1",
			"eth0": "fe80::1 fd00::1 10.0.0.5",
			"eth1": "169.254.0.7 fe80::2",
			"eth2": "fe80::3",
			"eth3": "2001:db8::4 fe80::4",
			"all":  "127.0.0.1 ::1 fe80::1 fd00::1 10.0.0.5",
		}[name]) {
			list = append(list, netip.MustParseAddr(text))
		}
		if list == nil {
			return nil, errors.New("no such network interface")
		}
		return list, nil
	}
	f := func(address, interfaces, listen, want string) {
		t.Helper()
		s := Self{
			Address: address, Interfaces: strings.Fields(interfaces), Listen: netip.MustParseAddrPort(listen),
			Resolver: internet(), Addrs: machine,
		}
		got, err := s.Find(t.Context())
		if err != nil || got.String() != want {
			t.Errorf("%q %q %s gives %s, %v, want %s", address, interfaces, listen, got, err, want)
		}
	}
	f("10.1.1.1", "", "0.0.0.0:80", "10.1.1.1:80")
	f("10.1.1.1:90", "", "0.0.0.0:80", "10.1.1.1:90")
	f("fd00::9", "", "0.0.0.0:80", "[fd00::9]:80")
	f("[fd00::9]:90", "", "0.0.0.0:80", "[fd00::9]:90")
	f("many", "", "0.0.0.0:80", "10.0.0.1:80")
	f("one:90", "", "0.0.0.0:80", "10.0.0.1:90")
	f("", "eth0", "10.9.9.9:80", "10.9.9.9:80")
	f("", "eth0", "127.0.0.1:80", "127.0.0.1:80")
	f("", "eth0 en0", "[::]:80", "10.0.0.5:80")
	f("", "en0 eth1", "0.0.0.0:80", "169.254.0.7:80")
	f("", "eth2", "0.0.0.0:80", "[fe80::3]:80")
	f("", "eth3 eth1", "0.0.0.0:80", "[2001:db8::4]:80")
	f("", "eth2 eth0", "0.0.0.0:80", "10.0.0.5:80")
	f("", "all", "0.0.0.0:80", "10.0.0.5:80")
	f("", "lo", "0.0.0.0:80", "127.0.0.1:80")
	f("", "en0", "0.0.0.0:80", "127.0.0.1:80")
	f("", "", "0.0.0.0:80", "127.0.0.1:80")
}

// An address that was asked for is used or refused, never replaced.
func TestSelfRefusesWhatCannotBeAdvertised(t *testing.T) {
	f := func(address, want string) {
		t.Helper()
		s := Self{Address: address, Interfaces: []string{"all"}, Listen: netip.MustParseAddrPort("0.0.0.0:80"), Resolver: internet()}
		if got, err := s.Find(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%q gives %s and %v, want %s", address, got, err, want)
		}
	}
	f("a:b:c", `advertise address "a:b:c" is not host or host:port`)
	f("dns+one", `advertise address "dns+one" is not host or host:port`)
	f("nowhere", `advertise address "nowhere" leads nowhere: lookup nowhere: no such host`)
}

// The machine of the test has a loopback address at least.
func TestMachineHasAddresses(t *testing.T) {
	all, err := ofMachine("all")
	if err != nil || len(all) == 0 {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := ofMachine("no-such-interface"); err == nil {
		t.Error("an interface that does not exist has addresses")
	}
}
