package member

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestQuestionsAreAnsweredByTheNodeThatIsMeant(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	secret := func(c *Config) { c.Secret = []byte("a secret of sixteen bytes or more") }
	a := startWith(t, "a", secret)
	b := startWith(t, "b", secret, a.addr)
	within(t, 15*time.Second, "both serve", agree(2, a, b))
	long := make([]byte, 3<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(long); i++ {
		long[i] = byte(r.Uint32())
	}
	b.Answer("echo", func(_ context.Context, from string, question []byte) ([]byte, error) {
		return append([]byte(from+" asks "), question...), nil
	})
	b.Answer("long", func(context.Context, string, []byte) ([]byte, error) { return long, nil })
	b.Answer("no", func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("not today") })
	b.Answer("slow", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})

	f := func(node, kind, question string, want []byte, wantErr string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := a.Ask(ctx, node, kind, []byte(question))
		switch {
		case wantErr == "" && err != nil:
			t.Errorf("%s of %s: %v", kind, node, err)
		case wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
			t.Errorf("%s of %s fails with %v; want %s", kind, node, err, wantErr)
		case !bytes.Equal(got, want):
			t.Errorf("%s of %s is %.100q (%d bytes)", kind, node, got, len(got))
		}
	}
	f("b", "echo", "who?", []byte("a asks who?"), "")
	f("b", "echo", "", []byte("a asks "), "")
	f("b", "long", "", long, "")
	f("b", "no", "", nil, "not today")
	f("b", "other", "", nil, "404")
	f("b", "slow", "", nil, "deadline exceeded")
	f("b", "echo", strings.Repeat("x", maxAsk+1), nil, "413")
	f("c", "echo", "", nil, "not a living node")
	f("a", "echo", "", nil, "not a living node")
}

// Where a node was, another one may live by now. It does not answer in its name.
func TestNodeAnswersForItselfOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	n := startWith(t, "a b", func(*Config) {})
	n.Answer("echo", func(context.Context, string, []byte) ([]byte, error) { return nil, nil })
	f := func(asked string, want int) {
		t.Helper()
		req, _, err := n.request(t.Context(), n.addr, askPath+"echo/c", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(askedHeader, asked)
		resp, err := n.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("asked as %q: %s; want %d", asked, resp.Status, want)
		}
	}
	f("a%20b", http.StatusOK)
	f("", http.StatusOK)
	f("b", http.StatusMisdirectedRequest)
}

// Whoever does not know the secret is told nothing.
func TestStrangersGetNoAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	n := startWith(t, "a", func(c *Config) { c.Secret = []byte("a secret of sixteen bytes or more") })
	n.Answer("echo", func(context.Context, string, []byte) ([]byte, error) {
		t.Error("a stranger is answered")
		return nil, nil
	})
	f := func(cluster, secret string, want int) {
		t.Helper()
		stranger := &Node{cfg: n.cfg, client: n.client}
		stranger.cfg.Cluster, stranger.seal = cluster, seal{derive([]byte(secret), routesKey)}
		req, _, err := stranger.request(t.Context(), n.addr, askPath+"echo/b", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := n.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("cluster %q, secret %q: %s; want %d", cluster, secret, resp.Status, want)
		}
	}
	f(n.cfg.Cluster, "", http.StatusUnauthorized)
	f(n.cfg.Cluster, "another secret of sixteen bytes", http.StatusUnauthorized)
	f("other", "a secret of sixteen bytes or more", http.StatusConflict)
}

// What is longer than an answer may be is refused before it fills the memory.
func TestAnswersAreBounded(t *testing.T) {
	if b, err := inflate(deflate(make([]byte, 5000)), 5000); err != nil || len(b) != 5000 {
		t.Errorf("the longest answer comes as %d bytes, %v", len(b), err)
	}
	if b, err := inflate(deflate(make([]byte, 5001)), 5000); err == nil {
		t.Errorf("%d bytes passed", len(b))
	}
}

func FuzzInflate(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(deflate(nil))
	f.Add(deflate([]byte("an answer")))
	f.Add(deflate([]byte("an answer"))[:12])
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := inflate(b, 1<<20)
		if err != nil {
			return
		}
		if again, err := inflate(deflate(got), 1<<20); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%q becomes %q, %v", got, again, err)
		}
	})
}
