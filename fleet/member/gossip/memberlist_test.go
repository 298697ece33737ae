package gossip

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
)

// A member is one memberlist over a Transport, with a record of what it heard.
type member struct {
	*memberlist.Memberlist
	*Transport
	name  string
	state []byte // its user state in push/pulls

	mu      sync.Mutex
	changed chan struct{} // closed and replaced with every change below
	alive   map[string]bool
	heard   []string // user messages and states of others
}

func (m *member) NodeMeta(int) []byte               { return nil }
func (m *member) GetBroadcasts(int, int) [][]byte   { return nil }
func (m *member) LocalState(bool) []byte            { return m.state }
func (m *member) NotifyUpdate(*memberlist.Node)     {}
func (m *member) NotifyMsg(b []byte)                { m.note(func() { m.heard = append(m.heard, string(b)) }) }
func (m *member) MergeRemoteState(b []byte, _ bool) { m.NotifyMsg(b) }
func (m *member) NotifyJoin(n *memberlist.Node)     { m.note(func() { m.alive[n.Name] = true }) }
func (m *member) NotifyLeave(n *memberlist.Node)    { m.note(func() { delete(m.alive, n.Name) }) }

func (m *member) note(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.changed)
	m.changed = make(chan struct{})
}

// until waits until what it knows fits.
func (m *member) until(t *testing.T, what string, fits func(alive map[string]bool, heard []string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		m.mu.Lock()
		ok, changed := fits(m.alive, m.heard), m.changed
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s: %s: knows %v, heard %.100q", m.name, what, m.alive, m.heard)
		}
	}
}

// knows waits until it has exactly n members.
func (m *member) knows(t *testing.T, n int) {
	t.Helper()
	m.until(t, fmt.Sprintf("%d members", n), func(alive map[string]bool, _ []string) bool { return len(alive) == n })
}

// hears waits until it has heard s.
func (m *member) hears(t *testing.T, s string) {
	t.Helper()
	m.until(t, fmt.Sprintf("hears %.100q", s), func(_ map[string]bool, heard []string) bool { return slices.Contains(heard, s) })
}

// failures returns how many packets, reads and writes failed.
func (m *member) failures() int {
	return metric(m.meters.rxFailed) + metric(m.meters.txFailed) + metric(m.meters.streamRxFailed) + metric(m.meters.streamTxFailed)
}

// newMember starts a memberlist over tr.
func newMember(t *testing.T, name string, tr *Transport, change func(*memberlist.Config)) *member {
	m := &member{Transport: tr, name: name, state: []byte("state of " + name), alive: map[string]bool{}, changed: make(chan struct{})}
	cfg := memberlist.DefaultLANConfig()
	cfg.Name, cfg.Label = name, "fleet"
	cfg.Transport = tr
	cfg.UDPBufferSize = 8 << 10
	cfg.ProbeInterval, cfg.ProbeTimeout = 500*time.Millisecond, 300*time.Millisecond
	cfg.TCPTimeout = 2 * time.Second
	cfg.Delegate, cfg.Events = m, m
	cfg.LogOutput = io.Discard
	if change != nil {
		change(cfg)
	}
	ml, err := memberlist.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.Memberlist = ml
	t.Cleanup(func() { _ = ml.Shutdown() })
	return m
}

// onLoopback returns n members on 127.0.0.1, of which each but the first has
// joined the first. They are patient, for the machine may be busy.
func onLoopback(t *testing.T, n int, secure bool, change func(*memberlist.Config)) []*member {
	var all []*member
	for i := range n {
		var tr *Transport
		made := make(chan struct{})
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-made
			tr.Handler().ServeHTTP(w, r)
		}))
		cfg := Config{Advertise: tcpAddr(srv.Listener.Addr().String()).AddrPort()}
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		if secure {
			srv.EnableHTTP2 = true
			srv.StartTLS()
			roots := x509.NewCertPool()
			roots.AddCert(srv.Certificate())
			cfg.TLS = &tls.Config{RootCAs: roots, ServerName: "example.com"}
		} else {
			srv.Config.Protocols = bothProtocols()
			srv.Start()
		}
		tr = New(cfg)
		close(made)
		t.Cleanup(func() { _ = tr.Shutdown(); srv.Close() })
		m := newMember(t, fmt.Sprintf("node-%d", i), tr, func(c *memberlist.Config) {
			c.ProbeInterval, c.ProbeTimeout, c.TCPTimeout = 5*time.Second, 2*time.Second, 20*time.Second
			if change != nil {
				change(c)
			}
		})
		all = append(all, m)
		if i > 0 {
			if _, err := m.Join([]string{all[0].cfg.Advertise.String()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// Members find each other, exchange state, send each other messages both ways
// and see one leave.
func TestMemberlistOnLoopback(t *testing.T) {
	f := func(n int, secure bool, change func(*memberlist.Config)) {
		t.Helper()
		all := onLoopback(t, n, secure, change)
		for _, m := range all {
			m.knows(t, n)
		}
		first, last := all[0], all[n-1]
		first.hears(t, "state of "+last.name) // push/pull
		last.hears(t, "state of "+first.name)
		to := func(m *member) *memberlist.Node {
			i := slices.IndexFunc(first.Members(), func(n *memberlist.Node) bool { return n.Name == m.name })
			return first.Members()[i]
		}
		big := strings.Repeat("big ", 1<<18)
		if err := cmp.Or(first.SendReliable(to(last), []byte(big)), first.SendBestEffort(to(last), []byte("small"))); err != nil {
			t.Error(err)
		}
		last.hears(t, "small")
		last.hears(t, big)
		if err := last.Leave(10 * time.Second); err != nil {
			t.Error(err)
		}
		for _, m := range all[:n-1] {
			m.knows(t, n-1)
		}
		for _, m := range all {
			_ = m.Memberlist.Shutdown()
		}
	}
	f(2, false, nil)
	f(3, true, nil)
	if testing.Short() {
		return
	}
	f(5, false, nil)
	f(2, false, func(c *memberlist.Config) { c.EnableCompression = false; c.Label = "" })
	f(2, false, func(c *memberlist.Config) { c.SecretKey = []byte("0123456789abcdef") })
}

// A server certificate that the given roots did not sign ends in no contact.
func TestForeignCertificateIsNotTalkedTo(t *testing.T) {
	all := onLoopback(t, 2, true, nil)
	tr := New(Config{Advertise: tcpAddr(addrA).AddrPort(), TLS: &tls.Config{RootCAs: x509.NewCertPool()}})
	stranger := newMember(t, "stranger", tr, nil)
	if n, err := stranger.Join([]string{all[0].cfg.Advertise.String()}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("joined %d: %v", n, err)
	}
}

// inBubble returns n members in a network in memory that all know each other,
// and what stops one of them dead.
func inBubble(t *testing.T, n int) (all []*member, kill []func()) {
	network := newMemNet()
	for i := range n {
		tr, stop := network.node(t, fmt.Sprintf("10.0.0.%d:80", i+1), Config{})
		m := newMember(t, fmt.Sprintf("node-%d", i), tr, func(c *memberlist.Config) { c.EnableCompression = false })
		if i > 0 {
			if _, err := m.Join([]string{all[0].cfg.Advertise.String()}); err != nil {
				t.Fatal(err)
			}
		}
		all, kill = append(all, m), append(kill, stop)
	}
	for _, m := range all {
		m.knows(t, n)
	}
	t.Cleanup(func() {
		for _, m := range all {
			_ = m.Memberlist.Shutdown()
		}
		time.Sleep(time.Minute) // memberlist's timers end
	})
	return all, kill
}

// A node that dies is found out; nobody else is.
func TestMemberlistFindsTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, kill := inBubble(t, 5)
		quiet := 5 * time.Minute
		if testing.Short() {
			quiet = 20 * time.Second
		}
		time.Sleep(quiet)
		for _, m := range all {
			m.knows(t, 5)
			if s := m.GetHealthScore(); s != 0 {
				t.Errorf("%s: health score %d", m.name, s)
			}
			if f := m.failures(); f != 0 {
				t.Errorf("%s: %d failures", m.name, f)
			}
		}
		kill[4]()
		start := time.Now()
		for _, m := range all[:4] {
			m.knows(t, 4)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("found out after %s", d)
		}
	})
}

// A node behind its gate is dead to the others, and alive again after it.
func TestMemberlistBehindTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := inBubble(t, 3)
		all[2].SetGate(true)
		all[0].knows(t, 2)
		all[1].knows(t, 2)
		all[2].SetGate(false)
		if _, err := all[2].Join([]string{all[0].cfg.Advertise.String()}); err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			m.knows(t, 3)
		}
	})
}
