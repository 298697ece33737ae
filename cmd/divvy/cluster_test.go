package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// eventually bounds how long something may take that a test waits for; a test
// that passes waits much less.
const eventually = 30 * time.Second

// within waits until cond holds.
func within(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

// asNode makes a collector the node name of a cluster with peers.
func asNode(name string, peers ...string) func(*Config) {
	return func(cfg *Config) {
		cfg.Cluster.Enabled = true
		cfg.Cluster.Node.Name = name
		cfg.Cluster.Node.Cluster = "test"
		cfg.Cluster.Peers.Join = peers
	}
}

func (c *testCollector) ready() bool {
	status, _ := c.get("/-/ready")
	return status == 200
}

// peers returns "name state" of every node that c shows, its own with a star.
func (c *testCollector) peers() []string {
	c.t.Helper()
	var list []struct {
		Name, Addr, State string
		IsSelf            bool
	}
	_, body := c.get("/api/v0/web/peers")
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		c.t.Fatalf("%v: %s", err, body)
	}
	var out []string
	for _, p := range list {
		if p.IsSelf {
			p.Name += "*"
		}
		if _, _, err := net.SplitHostPort(p.Addr); err != nil {
			c.t.Errorf("peer %s has no address: %v", p.Name, err)
		}
		out = append(out, p.Name+" "+p.State)
	}
	return out
}

// sharing is a configuration that shares the targets of bed.
func sharing(bed *testbed.Bed, interval time.Duration) string {
	return fmt.Sprintf(`
discovery.http "bed" {
	url = %q
}

prometheus.scrape "bed" {
	targets         = discovery.http.bed.targets
	scrape_interval = %q
	scrape_timeout  = %q
	forward_to      = [prometheus.remote_write.bed.receiver]

	clustering {
		enabled = true
	}
}

prometheus.remote_write "bed" {
	endpoint {
		url = %q
	}
}
`, bed.DiscoveryURL(), interval, interval, bed.WriteURL())
}

// Nodes come and go, and every slot of every target is served by exactly one of
// them: counted at the targets, and by number at the receiver.
func TestNoSlotIsMissedOrDoubledByPlannedChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute of real time")
	}
	const interval = time.Second
	const targets = 60
	bed, err := testbed.Open(testbed.Config{Fleet: testbed.FleetConfig{Targets: targets, Series: 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	text := sharing(bed, interval)
	a := startCollector(t, text, asNode("a"))
	within(t, eventually, "the first node serves", a.ready)
	b := startCollector(t, text, asNode("b", a.Addr()))
	c := startCollector(t, text, asNode("c", a.Addr()))
	within(t, eventually, "three nodes serve", func() bool { return a.ready() && b.ready() && c.ready() })
	want := []string{"a participant", "b* participant", "c participant"}
	within(t, eventually, "all are shown", func() bool { return slices.Equal(b.peers(), want) })
	begun := bed.Fleet.Answered()
	within(t, eventually, "some slots of three nodes", func() bool { return bed.Fleet.Answered() > begun+3*targets })

	stopping := time.Now()
	b.cancel()
	within(t, eventually, "the leaving node is shown", func() bool { return slices.Contains(a.peers(), "b terminating") })
	if b.ready() {
		t.Error("a node that leaves is ready")
	}
	if err := <-b.ended; err != nil {
		t.Error(err)
	}
	b.ended <- nil
	if took := time.Since(stopping); took < 4*time.Second || took > 14*time.Second {
		t.Errorf("leaving took %s", took)
	}
	want = []string{"a* participant", "c participant"}
	within(t, eventually, "the others go on", func() bool { return slices.Equal(a.peers(), want) })
	left := bed.Fleet.Answered()
	within(t, eventually, "some slots of two nodes", func() bool { return bed.Fleet.Answered() > left+3*targets })

	for n := range targets {
		scrapes := bed.Fleet.Scrapes(n)
		for i := range scrapes[1:] {
			gap := scrapes[i+1].Time.Sub(scrapes[i].Time)
			if gap < interval/2 || gap > 3*interval/2 {
				t.Errorf("target %d: %s between scrapes %d and %d", n, gap, i+1, i+2)
			}
		}
	}
	a.cancel()
	<-a.ended
	a.ended <- nil
	c.cancel()
	<-c.ended
	c.ended <- nil
	if v := testbed.Check(bed.Fleet, bed.Receiver, time.Now().Add(time.Hour)); len(v.Lost) > 0 {
		t.Errorf("%d scrapes are lost", len(v.Lost))
	}
}

// A node that is alone serves at once and stops at once; its page says what it
// is.
func TestLoneNodeWaitsForNobody(t *testing.T) {
	c := startCollector(t, "", asNode("lone"))
	within(t, 3*time.Second, "it serves", c.ready)
	if diff := cmp.Diff([]string{"lone* participant"}, c.peers()); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
	if _, page := c.get("/clustering"); !strings.Contains(page, `<strong>lone</strong> <span class="dim">this node</span>`) {
		t.Errorf("page lacks the node:\n%s", page)
	}
	if _, metrics := c.get("/metrics"); !strings.Contains(metrics, `cluster_name="test"`) {
		t.Error("metrics lack the cluster's name")
	}
	start := time.Now()
	c.cancel()
	err := <-c.ended
	c.ended <- err
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s to stop", took)
	}
}

// A node takes part once it knows what there is to share, not before.
func TestNodeIsReadyWithItsFirstTargets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "targets.json")
	c := startCollector(t, fmt.Sprintf(`
discovery.file "f" {
	files            = [%q]
	refresh_interval = "1s"
}

prometheus.scrape "f" {
	targets    = discovery.file.f.targets
	forward_to = []

	clustering {
		enabled = true
	}
}
`, file), asNode("a"))
	within(t, eventually, "it is known why it is not ready", func() bool {
		status, body := c.get("/-/ready")
		return status == 503 && strings.Contains(body, "In the cluster it is viewing.")
	})
	if diff := cmp.Diff([]string{"a* viewer"}, c.peers()); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(file, []byte(`[{"targets": ["127.0.0.1:1"]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, eventually, "it serves", c.ready)
}

// Components that never get ready delay a node by a minute, and are named.
func TestPatienceWithComponentsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		calls := 0
		if got := awaitPrimed(t.Context(), func() []string {
			if calls++; calls > 9 {
				return nil
			}
			return []string{"slow"}
		}); got != nil || time.Since(start) != 8*primedEvery+primedEvery {
			t.Errorf("returned %v after %s", got, time.Since(start))
		}
		start = time.Now()
		stuck := func() []string { return []string{"stuck"} }
		if got := awaitPrimed(t.Context(), stuck); !slices.Equal(got, []string{"stuck"}) || time.Since(start) != joinPatience {
			t.Errorf("returned %v after %s", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if got := awaitPrimed(ctx, stuck); got != nil || time.Since(start) != time.Second {
			t.Errorf("returned %v after %s", got, time.Since(start))
		}
	})
}

// tlsBlock is an http block with TLS and a password; more stands in its tls
// block.
func tlsBlock(cert, key, more string) string {
	return fmt.Sprintf(`http {
	tls {
		cert_file = %q
		key_file  = %q
%s
	}
	auth {
		basic {
			username = "user"
			password = "word"
		}
	}
}
`, cert, key, more)
}

// Users need the password and what the http block asks of them. Peers need a
// certificate of the cluster's authority and no password.
func TestPeersAndUsersAreToldApart(t *testing.T) {
	dir := t.TempDir()
	clusterCA, userCA := newAuthority(t), newAuthority(t)
	cert, key := clusterCA.issue(dir, "node")
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, []byte(clusterCA.pem), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(files ...string) []tls.Certificate {
		pair, err := tls.LoadX509KeyPair(files[0], files[1])
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	userCert, userKey := userCA.issue(dir, "user")
	anonymous, peer, user := clusterCA.client(), clusterCA.client(load(cert, key)...), clusterCA.client(load(userCert, userKey)...)
	f := func(more string, want map[string]int) {
		t.Helper()
		c := startCollector(t, tlsBlock(cert, key, more), func(cfg *Config) {
			asNode("a")(cfg)
			cfg.Cluster.TLS = ClusterTLS{Enabled: true, CAPath: ca, CertPath: cert, KeyPath: key}
		})
		for name, status := range want {
			who, path, _ := strings.Cut(name, " ")
			client := map[string]*http.Client{"anonymous": anonymous, "peer": peer, "user": user}[who]
			if got := post(client, "https://"+c.Addr()+path); got != status {
				t.Errorf("%s: %s gets %d, want %d", more, name, got, status)
			}
		}
		for _, client := range []*http.Client{anonymous, peer, user} {
			client.CloseIdleConnections()
		}
	}
	const gossip, letter = " /api/v1/ckit/transport/message", " /api/v1/divvy/letter"
	const metrics = " /metrics"
	f("", map[string]int{
		"anonymous" + gossip: 403, "anonymous" + letter: 403, "user" + gossip: 403, "user" + letter: 403,
		"peer" + gossip: 400, "peer" + letter: 409,
		"anonymous" + metrics: 200, "peer" + metrics: 200, "user" + metrics: 200,
	})
	quoted := "client_ca_pem = " + fmt.Sprintf("%q", userCA.pem) + "\n"
	f(quoted+`client_auth_type = "VerifyClientCertIfGiven"`, map[string]int{
		"anonymous" + gossip: 403, "user" + gossip: 403, "peer" + gossip: 400,
		"anonymous" + metrics: 200, "peer" + metrics: 403, "user" + metrics: 200,
	})
	f(quoted+`client_auth_type = "RequireAndVerifyClientCert"`, map[string]int{
		"anonymous" + gossip: 0, "user" + gossip: 403, "peer" + gossip: 400,
		"anonymous" + metrics: 0, "peer" + metrics: 403, "user" + metrics: 200,
	})
}

// post sends nothing, as a user would, and returns the status; 0 if there is no
// answer.
func post(client *http.Client, url string) int {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte("nonsense")))
	if err != nil {
		return 0
	}
	if strings.HasSuffix(url, "/metrics") {
		req.SetBasicAuth("user", "word")
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// Peers connect over TLS, so a server without it is refused.
func TestClusterTLSNeedsTLSBlock(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := a.issue(dir, "node")
	ca := filepath.Join(dir, "ca.pem")
	path := filepath.Join(dir, "a.alloy")
	for name, text := range map[string]string{ca: a.pem, path: ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := testConfig(dir)
	asNode("a")(&cfg)
	cfg.Cluster.TLS = ClusterTLS{Enabled: true, CAPath: ca, CertPath: cert, KeyPath: key}
	c, err := Open(cfg, path, &safeBuffer{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Load(); err == nil || !strings.Contains(err.Error(), "--cluster.enable-tls needs a tls block") {
		t.Errorf("got %v", err)
	}
}

// Two nodes meet over TLS although users need a password, and with a secret.
func TestNodesMeetBehindAuthentication(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	dir := t.TempDir()
	a := newAuthority(t)
	ca, secret := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "secret")
	for name, text := range map[string]string{ca: a.pem, secret: "a secret of some length\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(what, text string, set func(*Config)) {
		t.Helper()
		one := startCollector(t, text, asNode("one"), set)
		two := startCollector(t, text, asNode("two", one.Addr()), set)
		within(t, eventually, what+": both serve", func() bool {
			return one.node.View().Load().Size(time.Now()) == 2 && two.node.View().Load().Size(time.Now()) == 2
		})
	}
	cert, key := a.issue(dir, "node")
	f("TLS", tlsBlock(cert, key, ""), func(cfg *Config) {
		cfg.Cluster.TLS = ClusterTLS{Enabled: true, CAPath: ca, CertPath: cert, KeyPath: key}
	})
	f("secret", "http {\n auth {\n  basic {\n   username = \"a\"\n   password = \"b\"\n  }\n }\n}\n", func(cfg *Config) {
		cfg.Cluster.SecretFile = secret
	})
}

func TestNamesCanBeShown(t *testing.T) {
	f := func(name string, want bool) {
		t.Helper()
		cfg := defaultClusterConfig()
		cfg.Node.Name = name
		if err := cfg.Validate(); (err == nil) != want {
			t.Errorf("name %q: %v; want that it is allowed: %t", name, err, want)
		}
	}
	f("a", true)
	f("node-0.divvy.example", true)
	f(`ä/ "x%2F<b>`, true)
	f(strings.Repeat("n", 200), true)
	f(strings.Repeat("n", 201), false)
	f(" ", false)
	f("a\n", false)
	f("a\x00b", false)
	f("\xff", false)
}
