package ui

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A world is what nodes need: targets, a receiver, and a configuration.
type world struct {
	t       *testing.T
	targets int
	fleet   *httptest.Server // each path below / is a target
	sink    *httptest.Server
	addrs   []string // of the nodes that there may be
	nodes   map[string]*node
	config  string
}

// A node is a divvy that runs.
type node struct {
	t    *testing.T
	name string
	addr string
	cmd  *exec.Cmd
	dir  string
	args []string
	done chan struct{} // closed when the process has ended

	mu  sync.Mutex
	log bytes.Buffer
}

// newWorld prepares a world for up to three nodes.
func newWorld(t *testing.T, targets int) *world {
	t.Helper()
	w := &world{t: t, targets: targets, nodes: map[string]*node{}, config: config}
	w.fleet = httptest.NewServer(http.HandlerFunc(w.expose))
	w.sink = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(func() { w.fleet.CloseClientConnections(); w.fleet.Close(); w.sink.Close() })
	for range 3 {
		w.addrs = append(w.addrs, freeAddr(t))
	}
	return w
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// expose answers as a target: /metrics/N, of which every 40th fails. /sd lists
// all of them.
func (w *world) expose(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/sd" {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, "[")
		for i := range w.targets {
			if i > 0 {
				fmt.Fprint(rw, ",")
			}
			fmt.Fprintf(rw, `{"targets":[%q],"labels":{"__metrics_path__":"/metrics/%d","shop":"s%d","instance":"shop-%04d"}}`,
				w.fleet.Listener.Addr(), i, i%7, i)
		}
		fmt.Fprint(rw, "]")
		return
	}
	if strings.HasSuffix(r.URL.Path, "13") {
		http.Error(rw, "out of order", http.StatusServiceUnavailable)
		return
	}
	for i := range 20 {
		fmt.Fprintf(rw, "sold_total{article=\"a%d\"} %d\n", i, time.Now().UnixMilli()/int64(i+100))
	}
}

// config is what nodes run. SD, SINK and MORE are filled in.
const config = `
livedebugging {
  enabled = true
}

discovery.http "shops" {
  url              = "SD"
  refresh_interval = "5s"
}

discovery.relabel "shops" {
  targets = discovery.http.shops.targets
  rule {
    source_labels = ["shop"]
    regex         = "s6"
    action        = "drop"
  }
  rule {
    source_labels = ["shop"]
    regex         = "s(.*)"
    target_label  = "number"
  }
MORE
}

declare "till" {
  argument "to" {
    optional = false
  }
  prometheus.relabel "article" {
    rule {
      source_labels = ["article"]
      regex         = "a1"
      action        = "drop"
    }
    forward_to = argument.to.value
  }
  export "receiver" {
    value = prometheus.relabel.article.receiver
  }
}

till "first" {
  to = [prometheus.remote_write.store.receiver]
}

prometheus.scrape "shops" {
  targets         = discovery.relabel.shops.output
  scrape_interval = "2s"
  scrape_timeout  = "1s"
  clustering {
    enabled = true
  }
  forward_to = [till.first.receiver]
}

prometheus.remote_write "store" {
  endpoint {
    url = "SINK"
    basic_auth {
      username = "till"
      password = "not-for-your-eyes"
    }
  }
}
`

// start starts nodes and waits until they see each other.
func (w *world) start(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.launch(name)
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, name := range names {
		for n := w.nodes[name]; strings.Count(n.get("/api/v0/web/peers"), `"participant"`) != len(names); {
			if time.Now().After(deadline) {
				w.t.Fatalf("node %s does not see %v take part; it says:\n%s", name, names, n.said())
			}
			<-time.After(100 * time.Millisecond)
		}
	}
}

// launch starts a node.
func (w *world) launch(name string) {
	w.t.Helper()
	dir := w.t.TempDir()
	text := strings.NewReplacer("SD", w.fleet.URL+"/sd", "SINK", w.sink.URL+"/write", "MORE", "").Replace(w.config)
	path := filepath.Join(dir, "config.alloy")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	n := &node{t: w.t, name: name, addr: w.addrs[name[0]-'a'], dir: dir, done: make(chan struct{})}
	n.cmd = exec.Command(*binary, "run", "--server.http.listen-addr="+n.addr,
		"--storage.path="+filepath.Join(dir, "data"), "--cluster.enabled", "--cluster.node-name="+name,
		"--cluster.advertise-address="+n.addr, "--cluster.join-addresses="+strings.Join(w.addrs, ","), path)
	n.cmd.Env = append(os.Environ(), "NODE="+name)
	n.cmd.Stdout, n.cmd.Stderr = n, n
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = n.cmd.Wait() // how it ends is for the test to know
		close(n.done)
	}()
	w.nodes[name] = n
	w.t.Cleanup(n.kill)
}

// Write takes what the node prints.
func (n *node) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

// said returns what the node has printed.
func (n *node) said() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// kill ends the node as a crash would.
func (n *node) kill() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.done
}

// url returns where the node serves path.
func (n *node) url(path string) string { return "http://" + n.addr + path }

// get returns what the node answers, or "".
func (n *node) get(path string) string {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(n.url(path))
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}
