package member

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stranger is something that is no peer, at an address of a bubble's network.
func (b *bubble) stranger(addr string, serve func(net.Listener)) {
	l := b.net.Listen(addr)
	done := make(chan struct{})
	go func() { defer close(done); serve(l) }()
	b.strangers = append(b.strangers, func() { l.Close(); <-done })
}

// What keeps a node from a cluster is said in one line with the reason for
// each address, and changes nothing for those who are there.
func TestWhatKeepsANodeOutIsSaid(t *testing.T) {
	const peer = "10.0.0.1:80"
	secret := func(s string) func(*Config) { return func(c *Config) { c.Secret = []byte(s) } }
	banner := func(l net.Listener) {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				go func() { _, _ = io.Copy(io.Discard, c) }()
				fmt.Fprint(c, "SSH-2.0-OpenSSH_9.6\r\n")
			}()
		}
	}
	f := func(what, want string, theirs, ours func(*Config), strangers ...func(net.Listener)) {
		t.Helper()
		inBubble(t, func(b *bubble) {
			b.start("node-0", theirs)
			b.settles(time.Second, "the cluster", 1, b.all()...)
			for _, s := range strangers {
				b.stranger("10.0.0.9:80", s)
			}
			x := b.start("node-1", func(c *Config) {
				c.Peers = func(context.Context) ([]string, error) {
					if len(strangers) > 0 || ours == nil {
						return []string{"10.0.0.9:80"}, nil
					}
					return []string{peer}, nil
				}
				if ours != nil {
					ours(c)
				}
			})
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if err := x.Health(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v; want %q", what, err, want)
			}
			for _, p := range b.all() {
				if n := p.View().Load().Size(time.Now()); n != 1 {
					t.Errorf("%s: %s sees %d members", what, p.cfg.Name, n)
				}
			}
		})
	}
	f("nobody listens", "10.0.0.9:80: dial tcp 10.0.0.9:80: connection refused", nil, nil)
	f("a banner", "something else than HTTP/2 is spoken there", nil, nil, banner)
	f("another cluster", `this is cluster "test", not "other"`, nil, func(c *Config) { c.Cluster = "other" })
	f("another secret", "another secret than this cluster's", secret("0123456789abcdef"), secret("0123456789abcdeF"))
	f("no secret", "this cluster has a secret", secret("0123456789abcdef"), func(*Config) {})
	f("a secret too many", "this node has none", nil, secret("0123456789abcdef"))
}
