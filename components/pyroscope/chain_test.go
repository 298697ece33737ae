package pyroscope

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/vm"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/internal/profileserver"
	"github.com/divvy-collector/divvy/pipeline/component"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long something may take; a test that passes never waits
// it.
const patience = 20 * time.Second

// arguments decodes the body of a block of a kind, which may refer to vars.
func arguments(t *testing.T, kind component.Kind, body string, vars map[string]any) (any, error) {
	t.Helper()
	file, err := parser.ParseFile(t.Name(), []byte(body))
	if err != nil {
		t.Fatalf("parse %q: %v", body, err)
	}
	v := reflect.New(kind.Arguments)
	err = vm.New(file).Evaluate(vm.NewScope(vars), v.Interface())
	return v.Elem().Interface(), err
}

// A part is a component under test.
type part struct {
	component.Running
	registry *prometheus.Registry
	exports  any // the first
}

// start builds a component and runs it until the test ends.
func start(t *testing.T, kind component.Kind, body string, vars map[string]any) *part {
	t.Helper()
	a, err := arguments(t, kind, body, vars)
	if err != nil {
		t.Fatal(err)
	}
	p := &part{registry: prometheus.NewRegistry()}
	p.Running, err = kind.Build(component.Env{
		ID: kind.Name + ".test", Log: slog.New(slog.DiscardHandler), Dir: t.TempDir(), Registry: p.registry,
		Export: func(v any) { p.exports = v }, Self: "node", Drain: time.Second,
	}, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// until waits for ok; each look costs a millisecond.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// metrics returns what the component exposes, as text.
func (p *part) metrics(t *testing.T) string {
	t.Helper()
	all, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range all {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// What is pushed to pyroscope.receive_http goes through the rules of
// pyroscope.relabel and arrives where pyroscope.write sends it; each of them
// counts it.
func TestProfilesPassFromEndToEnd(t *testing.T) {
	server := profileserver.New()
	srv := httptest.NewServer(server)
	defer srv.Close()
	out := start(t, Write(), fmt.Sprintf("external_labels = {cluster = \"eu\"}\nendpoint {\n url = %q\n}", srv.URL), nil)
	rules := start(t, Relabel(), `forward_to = [out]
rule {
	source_labels = ["zone"]
	regex = "test"
	action = "drop"
}
rule {
	target_label = "via"
	replacement = "divvy"
}`, map[string]any{"out": out.exports.(writeExports).Receiver})
	port := freePort(t)
	in := start(t, ReceiveHTTP(), fmt.Sprintf("forward_to = [rules]\nhttp {\n listen_address = \"127.0.0.1\"\n listen_port = %d\n}", port),
		map[string]any{"rules": rules.exports.(relabelExports).Receiver})
	until(t, "the server listens", func() bool { h, _ := in.Health(); return h.State == component.Healthy })
	until(t, "the log is open", out.Primed)

	transport := &http.Transport{DisableKeepAlives: true}
	for _, name := range []string{"shop", "shop{zone=test}"} {
		req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/ingest?from=1&name=%s", port, name), strings.NewReader("a;b 1\n"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
	until(t, "the profile arrives", func() bool { return len(server.Pushes()) == 1 })
	if got := server.Pushes()[0].URL; got != "/ingest?from=1&name=shop%7Bcluster%3Deu%2Cservice_name%3Dshop%2Cvia%3Ddivvy%7D" {
		t.Errorf("pushed to %s", got)
	}
	until(t, "it is counted", func() bool { return out.DebugInfo().(writeDebug).Endpoints[0].SentProfiles == 1 })
	counts := func(p *part, want string) {
		t.Helper()
		if text := p.metrics(t); !strings.Contains(text, want+"\n") {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	counts(out, fmt.Sprintf("pyroscope_write_sent_profiles_total{endpoint=%q} 1", srv.URL))
	counts(rules, "pyroscope_relabel_profiles_dropped 1")
	counts(in, `pyroscope_receive_http_request_duration_seconds_count{method="POST",route="ingest",status_code="200",ws="false"} 2`)
	if d, ok := component.Power[component.Deliverer](out.Running); !ok || d.Endpoints()[0].Units() != "profiles" {
		t.Error("the endpoint is not on the page of endpoints")
	}
}

// A configuration that cannot work is refused with the reason.
func TestWrongArgumentsAreRefused(t *testing.T) {
	f := func(kind component.Kind, body, want string) {
		t.Helper()
		if _, err := arguments(t, kind, body, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q gives %v; want %q", kind.Name, body, err, want)
		}
	}
	f(Write(), `endpoint { url = "shop" }`, "url must be http://")
	f(Write(), "endpoint {\n url = \"http://a\"\n}\nendpoint {\n url = \"http://a\"\n}", "is there twice")
	f(Write(), "endpoint {\n url = \"http://a\"\n max_backoff_period = \"1ms\"\n}", "min_backoff_period")
	f(Write(), `wal { max_bytes = -1 }`, "max_bytes must not be negative")
	f(Write(), `external_labels = {"a-b" = "c"}`, "external_labels")
	f(Relabel(), "forward_to = []\nmax_cache_size = 0", "max_cache_size")
	f(ReceiveHTTP(), "forward_to = []\ngraceful_shutdown_timeout = \"-1s\"", "graceful_shutdown_timeout")
	f(ReceiveHTTP(), "forward_to = []\nhttp { listen_port = 70000 }", "listen_port")
}
