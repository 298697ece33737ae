package lookup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A zone is a Resolver that knows what it is given: addresses of hosts, and
// "target:port" of services.
type zone map[string][]string

var errNoSuchHost = errors.New("no such host")

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, text := range z[host] {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("lookup %s: %w", host, errNoSuchHost)
	}
	return list, nil
}

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	var list []*net.SRV
	for _, text := range z[name] {
		target, port, ok := strings.Cut(text, ".:")
		if !ok || service != "" || proto != "" {
			continue
		}
		var n uint16
		fmt.Sscan(port, &n)
		list = append(list, &net.SRV{Target: target + ".", Port: n})
	}
	if len(list) == 0 {
		return "", nil, fmt.Errorf("lookup %s: %w", name, errNoSuchHost)
	}
	return name, list, nil
}

// internet is the zone of the tests.
func internet() zone {
	return zone{
		"one":    {"10.0.0.1"},
		"many":   {"10.0.0.1", "10.0.0.2", "fd00::3"},
		"mapped": {"::ffff:10.0.0.9"},
		"srv":    {"one.:700", "two.:0"},
		"two":    {"10.0.0.2"},
		"twice":  {"one.:0", "one.:0"},
		"broken": {"gone.:700", "one.:700"},
		"lost":   {"gone.:700"},
		"both":   {"10.0.0.8", "one.:700"},
	}
}

// Where an address leads: the table of what people write.
func TestPeersFindsWhatAddressesMean(t *testing.T) {
	f := func(join string, want ...string) {
		t.Helper()
		c := Config{Join: strings.Split(join, ","), Port: 12345, Resolver: internet()}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", join, err)
		}
		got, err := c.Peers(t.Context())
		if err != nil {
			t.Errorf("%s: %v", join, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", join, diff)
		}
	}
	f("10.0.0.1:80", "10.0.0.1:80")
	f("10.0.0.1", "10.0.0.1:12345")
	f("fd00::1", "[fd00::1]:12345")
	f("[fd00::1]", "[fd00::1]:12345")
	f("[fd00::1]:80", "[fd00::1]:80")
	f("10.0.0.1,10.0.0.2:80,[fd00::3]:90", "10.0.0.1:12345", "10.0.0.2:80", "[fd00::3]:90")
	f(" one , two ", "10.0.0.1:12345", "10.0.0.2:12345")
	f("one", "10.0.0.1:12345")
	f("one:80", "10.0.0.1:80")
	f("many", "10.0.0.1:12345", "10.0.0.2:12345", "[fd00::3]:12345")
	f("many:80", "10.0.0.1:80", "10.0.0.2:80", "[fd00::3]:80")
	f("mapped", "10.0.0.9:12345")
	f("one,many,10.0.0.1", "10.0.0.1:12345", "10.0.0.2:12345", "[fd00::3]:12345")
	f("dns+one", "10.0.0.1:12345")
	f("dns+many:80", "10.0.0.1:80", "10.0.0.2:80", "[fd00::3]:80")
	f("dns+both", "10.0.0.8:12345")
	f("dns+10.0.0.1", "10.0.0.1:12345")
	f("srv", "10.0.0.1:700", "10.0.0.2:12345")
	f("srv:80", "10.0.0.1:80", "10.0.0.2:80")
	f("both", "10.0.0.8:12345")
	f("twice", "10.0.0.1:12345")
	f("dnssrv+srv", "10.0.0.1:700", "10.0.0.2:12345")
	f("dnssrv+srv:80", "10.0.0.1:80", "10.0.0.2:80")
	f("dnssrv+both", "10.0.0.1:700")
	f("dnssrv+twice", "10.0.0.1:12345")
	f("dnssrv+broken", "10.0.0.1:700")
	f("dnssrvnoa+srv", "one:700", "two:12345")
	f("dnssrvnoa+srv:80", "one:80", "two:80")
	f("dnssrvnoa+lost", "gone:700")
	f("nowhere,one", "10.0.0.1:12345")
	f("dnssrv+lost,two", "10.0.0.2:12345")
}

// What leads nowhere is said address by address, with all that was tried.
func TestPeersSaysWhatWasTried(t *testing.T) {
	f := func(join, want string) {
		t.Helper()
		c := Config{Join: strings.Split(join, ","), Port: 12345, Resolver: internet()}
		got, err := c.Peers(t.Context())
		if err == nil || err.Error() != want {
			t.Errorf("%s gives %v and\n%v, want\n%s", join, got, err, want)
		}
	}
	const start = "static peer discovery: failed to find any valid join addresses: "
	f("nowhere", start+`"nowhere" (A/AAAA: lookup nowhere: no such host, SRV: lookup nowhere: no such host)`)
	f("999.1.1.1:80", start+`"999.1.1.1:80" (A/AAAA: lookup 999.1.1.1: no such host, SRV: lookup 999.1.1.1: no such host)`)
	f("dns+srv", start+`"dns+srv" (A/AAAA: lookup srv: no such host)`)
	f("dnssrv+one", start+`"dnssrv+one" (SRV: lookup one: no such host)`)
	f("dnssrvnoa+one", start+`"dnssrvnoa+one" (SRV: lookup one: no such host)`)
	f("dnssrv+lost", start+`"dnssrv+lost" (SRV: lookup gone: no such host)`)
	f("dns+x,dns+y", start+`"dns+x" (A/AAAA: lookup x: no such host); "dns+y" (A/AAAA: lookup y: no such host)`)
}

// What cannot be an address is known before the DNS is asked.
func TestValidateNamesWhatIsNoAddress(t *testing.T) {
	f := func(join, want string) {
		t.Helper()
		c := Config{Join: []string{join}}
		err := c.Validate()
		if err == nil || err.Error() != want {
			t.Errorf("%q gives\n%v, want\n%s", join, err, want)
		}
	}
	f("a:b:c", `address "a:b:c" is not host or host:port`)
	f("a:http", `address "a:http" is not host or host:port`)
	f("a:0", `address "a:0" is not host or host:port`)
	f("a:65536", `address "a:65536" is not host or host:port`)
	f("a:", `address "a:" is not host or host:port`)
	f(":80", `address ":80" has no host`)
	f("", `address "" has no host`)
	f("dns+", `address "dns+" has no host`)
	f("http://a", `address "http://a" is not host or host:port`)
	f("a/b", `address "a/b" has no host`)
}

// Half of the addresses is enough, and the other half is told of.
func TestPeersWarnsOfWhatIsMissing(t *testing.T) {
	var log strings.Builder
	c := Config{
		Join: []string{"one", "nowhere"}, Port: 1, Resolver: internet(),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	if _, err := c.Peers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "nowhere") || strings.Contains(log.String(), `"one`) {
		t.Errorf("logged %s", &log)
	}
}

// Nobody to ask is no error: the node waits to be found.
func TestPeersOfNobodyAreNone(t *testing.T) {
	var c Config
	if peers, err := c.Peers(t.Context()); len(peers) > 0 || err != nil {
		t.Errorf("got %v, %v", peers, err)
	}
}
