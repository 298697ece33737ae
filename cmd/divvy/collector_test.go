package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A testCollector is a Collector on a free port, in a directory of its own.
type testCollector struct {
	*Collector
	t      *testing.T
	dir    string
	log    *safeBuffer
	client *http.Client
	ended  chan error
	cancel context.CancelFunc
}

// safeBuffer is a buffer that may be read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// testConfig returns a Config for a test in dir.
func testConfig(dir string) Config {
	cfg := DefaultConfig()
	cfg.HTTP.ListenAddr = "127.0.0.1:0"
	cfg.StoragePath = filepath.Join(dir, "data")
	return cfg
}

// startCollector runs a Collector with the given configuration text until the
// test ends.
func startCollector(t *testing.T, text string, set ...func(*Config)) *testCollector {
	t.Helper()
	dir := t.TempDir()
	cfg := testConfig(dir)
	for _, f := range set {
		f(&cfg)
	}
	c := &testCollector{t: t, dir: dir, log: &safeBuffer{}, ended: make(chan error, 1)}
	c.write(text)
	var err error
	if c.Collector, err = Open(cfg, c.file(), c.log); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(); err != nil {
		t.Fatal(errors.Join(err, c.Close()))
	}
	transport := &http.Transport{}
	c.client = &http.Client{Transport: transport}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	go func() { c.ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		c.cancel()
		if err := errors.Join(<-c.ended, c.Close()); err != nil {
			t.Errorf("ended with %v\n%s", err, c.log)
		}
	})
	return c
}

func (c *testCollector) file() string { return filepath.Join(c.dir, "config.alloy") }

// write replaces the text of the configuration.
func (c *testCollector) write(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.file(), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// get returns status and body of a path.
func (c *testCollector) get(path string) (int, string) {
	c.t.Helper()
	return get(c.t, c.client, "http://"+c.Addr()+path)
}

// get returns status and body of a URL.
func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// What operators ask a collector first is answered.
func TestEndpointsAnswer(t *testing.T) {
	c := startCollector(t, "prometheus.exporter.self \"me\" { }\n")
	f := func(path string, status int, parts ...string) {
		t.Helper()
		got, body := c.get(path)
		if got != status {
			t.Errorf("%s: status %d, want %d: %s", path, got, status, body)
		}
		for _, part := range parts {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %q:\n%s", path, part, body)
			}
		}
	}
	f("/-/ready", 200, "divvy is ready.")
	f("/-/healthy", 200, "All divvy components are healthy.")
	f("/metrics", 200, "divvy_build_info{", "divvy_resources_process_resident_memory_bytes", "go_goroutines",
		"process_open_fds", "divvy_config_last_load_successful 1")
	f("/-/reload", 200, "config reloaded")
	f("/-/support?duration=0", 400, "1 to 30")
	f("/-/support?duration=x", 400, "1 to 30")
	f("/debug/pprof/", 200, "goroutine")
	f("/", 200, "prometheus.exporter.self.me", "healthy")
	f("/no/such/page", 404)
	f("/api/v0/web/components", 200, `"localID":"prometheus.exporter.self.me"`, `"state":"healthy"`)
	f("/api/v0/web/components/prometheus.exporter.self.me", 200, `"exports":[`, `"name":"targets"`)
	f("/api/v0/web/components/no.such", 404, "no.such")
	f("/api/v0/web/peers", 200, `"isSelf":true`)
	f("/api/v0/component/prometheus.exporter.self.me/metrics", 200, "divvy_build_info")
	f("/api/v0/component/no.such/metrics", 404)
	f("/api/v0/component/", 404)
	f("/api/v1/ckit/transport/stream", 404, "clustering is disabled")
	f("/api/v1/divvy/letter", 404, "clustering is disabled")
}

// The UI moves as a whole under its prefix; the rest stays where it is.
func TestPathPrefix(t *testing.T) {
	c := startCollector(t, "", func(cfg *Config) {
		cfg.HTTP.PathPrefix = "/ui/"
		cfg.HTTP.Pprof = false
		cfg.HTTP.BundleRefused = true
	})
	f := func(path string, status int) {
		t.Helper()
		if got, body := c.get(path); got != status {
			t.Errorf("%s: status %d, want %d: %s", path, got, status, body)
		}
	}
	f("/ui/", 200)
	f("/ui", 200) // after a redirect
	f("/", 200)
	f("/ui/api/v0/web/components", 200)
	f("/api/v0/web/components", 404)
	f("/-/ready", 200)
	f("/debug/pprof/", 404)
	f("/-/support", 403)
}

// A configuration that does not load is explained to who asked, and changes
// nothing.
func TestFailedReloadKeepsWhatRuns(t *testing.T) {
	c := startCollector(t, "prometheus.exporter.self \"a\" { }\n")
	c.write("prometheus.exporter.self \"b\" {\n  nonsense = 1\n}\n")
	status, body := c.get("/-/reload")
	if status != 400 || !strings.Contains(body, "config.alloy:2:3") || !strings.Contains(body, "nonsense = 1\n") {
		t.Errorf("status %d: %s", status, body)
	}
	if log := c.log.String(); !strings.Contains(log, "config.alloy:2:3: ") || strings.Contains(log, "|") {
		t.Errorf("logged %s", log)
	}
	if _, page := c.get("/"); !strings.Contains(page, "prometheus.exporter.self.a") {
		t.Errorf("a is gone:\n%s", page)
	}
	if status, _ := c.get("/-/ready"); status != 200 {
		t.Errorf("not ready after a failed reload: %d", status)
	}
	c.write("prometheus.exporter.self \"b\" { }\n")
	if status, body := c.get("/-/reload"); status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
	if _, page := c.get("/"); strings.Contains(page, "prometheus.exporter.self.a") || !strings.Contains(page, "prometheus.exporter.self.b") {
		t.Errorf("b does not replace a:\n%s", page)
	}
}

// What a reload says is read by others than who wrote the configuration: it
// shows the lines that are wrong, but not the secrets in them.
func TestFailedReloadKeepsSecrets(t *testing.T) {
	c := startCollector(t, "")
	c.write(`prometheus.remote_write "a" {
	endpoint {
		url = "http://user:hunter2@host/" + 1 + nowhere
		basic_auth { passwordd = "hunter2" }
		bearer_token = ["hunter2"]
	}
	remote_wrote { password = "hunter2" }
	external_labels = "http://user:hunter2@host/"
}
prometheus.scrap "b" { bearer_token = "hunter2" }
import.file "c" { filename = "nothing.alloy" }
import.string "d" {
	content = "hunter2"
	other   = 1
}
`)
	status, body := c.get("/-/reload")
	if status != 400 || !strings.Contains(body, `basic_auth { passwordd = "*******" }`) ||
		!strings.Contains(body, `prometheus.scrap "b" { bearer_token = "*******" }`) ||
		!strings.Contains(body, `import.file "c" { filename = "nothing.alloy" }`) {
		t.Errorf("%d\n%s", status, body)
	}
	if strings.Contains(body+c.log.String(), "hunter2") {
		t.Errorf("a secret is told:\n%s\n%s", body, c.log)
	}
}

// Only GET and POST reload.
func TestHeadDoesNotReload(t *testing.T) {
	c := startCollector(t, "")
	res, err := c.client.Head("http://" + c.Addr() + "/-/reload")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || strings.Contains(c.log.String(), "configuration reloaded") {
		t.Errorf("status %d\n%s", res.StatusCode, c.log)
	}
}

// The logging block decides over every line, the first one too, and a reload
// changes it.
func TestLoggingFollowsItsBlock(t *testing.T) {
	c := startCollector(t, "logging {\n  format = \"json\"\n}\n")
	c.get("/-/reload")
	first, _, _ := strings.Cut(c.log.String(), "\n")
	if !strings.HasPrefix(first, `{"ts":"`) || !strings.Contains(first, `"level":"info"`) {
		t.Errorf("first line is %s", first)
	}
	before := len(c.log.String())
	c.write("logging {\n  level = \"error\"\n}\n")
	c.get("/-/reload")
	c.get("/-/reload")
	if more := c.log.String()[before:]; strings.Contains(more, "configuration reloaded") {
		t.Errorf("logged below its level: %s", more)
	}
	c.write("")
	c.get("/-/reload")
	if more := c.log.String()[before:]; !strings.Contains(more, `level=info msg="configuration reloaded"`) {
		t.Errorf("without a block, not logfmt at info: %s", more)
	}
}

// Two processes never share a storage path; one that is gone gives it up.
func TestStoragePathHasOneOwner(t *testing.T) {
	c := startCollector(t, "")
	cfg := c.cfg
	_, err := Open(cfg, c.file(), io.Discard)
	if !errors.Is(err, errStorageInUse) {
		t.Errorf("second Open: %v", err)
	}
	c.cancel()
	err = <-c.ended
	c.ended <- err
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	again, err := Open(cfg, c.file(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	c.Collector, err = Open(testConfig(t.TempDir()), c.file(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
}

// A storage path that cannot be written is a warning: divvy goes on.
func TestStoragePathThatCannotBeWrittenIsAWarning(t *testing.T) {
	c := startCollector(t, "", func(cfg *Config) {
		file := filepath.Join(filepath.Dir(cfg.StoragePath), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.StoragePath = filepath.Join(file, "data")
	})
	if log := c.log.String(); !strings.Contains(log, "storage path cannot be written") {
		t.Errorf("no warning:\n%s", log)
	}
}

// A port that is taken is named, with the flag that chooses another.
func TestPortInUseIsExplained(t *testing.T) {
	c := startCollector(t, "")
	cfg := testConfig(t.TempDir())
	cfg.HTTP.ListenAddr = c.Addr()
	_, err := Open(cfg, c.file(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--server.http.listen-addr") {
		t.Errorf("got %v", err)
	}
}

// Components reach their own collector through memory, without a port.
func TestMemoryAddressReachesTheServer(t *testing.T) {
	c := startCollector(t, "")
	transport := &http.Transport{DialContext: c.listener.Dial}
	defer transport.CloseIdleConnections()
	status, body := get(t, &http.Client{Transport: transport}, "http://divvy.internal:12345/-/ready")
	if status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
}
