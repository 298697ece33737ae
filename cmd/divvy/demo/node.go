package demo

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A node is one divvy of the cluster: a place with a name, an address and
// storage, in which one process runs after the other. Only the demo's goroutine
// uses it; the process itself adds to the log.
type node struct {
	name string
	addr string // host:port of its HTTP server, the same for every process
	dir  string

	process *exec.Cmd
	log     *logTail
	ended   chan struct{} // closed when the process has ended
	err     error         // why; valid then
	leaving bool          // it was asked to stop
	killed  time.Time     // zero: it was not

	cpu, samples rate
}

// newNode returns a node without a process. Its storage is below dir.
func newNode(name, dir string) (*node, error) {
	// The kernel hands out ports in turn, so this one is still free when the
	// node asks for it, and again when it is started a second time.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port for %s: %w", name, err)
	}
	defer free.Close()
	return &node{name: name, addr: free.Addr().String(), dir: filepath.Join(dir, name)}, nil
}

// start starts a process that runs config and joins peers.
func (n *node) start(divvy, config string, peers []string, journal *journal) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	file, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.log = &logTail{node: n.name, journal: journal, file: file}
	n.process = exec.Command(divvy, "run",
		"--server.http.listen-addr="+n.addr,
		"--storage.path="+filepath.Join(n.dir, "data"),
		"--feature.component-shutdown-deadline="+drain.String(),
		"--cluster.enabled",
		"--cluster.name=demo",
		"--cluster.node-name="+n.name,
		"--cluster.join-addresses="+strings.Join(peers, ","),
		config)
	n.process.Env = append(os.Environ(), nodeVariable+"="+n.name)
	n.process.Stdout, n.process.Stderr = n.log, n.log
	tether(n.process)
	if err := n.process.Start(); err != nil {
		file.Close()
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.ended, n.err, n.leaving, n.killed = make(chan struct{}), nil, false, time.Time{}
	n.cpu, n.samples = rate{}, rate{}
	go n.wait(n.process, file, n.ended)
	return nil
}

// wait returns when the process has ended. What it does is seen by those who
// have waited for ended.
func (n *node) wait(process *exec.Cmd, log io.Closer, ended chan<- struct{}) {
	n.err = process.Wait()
	log.Close()
	close(ended)
}

// running reports whether the process has not ended.
func (n *node) running() bool {
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// stays reports whether the node runs and has not been asked to stop.
func (n *node) stays() bool { return n.running() && !n.leaving }

// stop asks the process to stop.
func (n *node) stop() {
	n.leaving = true
	// One that has just ended cannot be asked, and need not be.
	_ = n.process.Process.Signal(syscall.SIGTERM)
}

// kill ends the process at once and waits for its end.
func (n *node) kill() {
	n.killed = time.Now()
	_ = n.process.Process.Kill()
	<-n.ended
}

// failure returns nil if the process has ended because it was asked to, else why
// it has. One that was asked before it could listen ends by the signal itself.
func (n *node) failure() error {
	if n.leaving && (n.err == nil || n.endedBy(syscall.SIGTERM)) {
		return nil
	}
	why := "without an error"
	if n.err != nil {
		why = n.err.Error()
	}
	return fmt.Errorf("%s has failed (%s); the end of its log:\n%s", n.name, why, n.log.end())
}

// endedBy reports whether a signal ended the process.
func (n *node) endedBy(sig syscall.Signal) bool {
	status, ok := n.process.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == sig
}

// stage returns in what stage of its life the node is.
func (n *node) stage() string {
	switch stage := n.log.now(); {
	case !n.killed.IsZero():
		return "killed"
	case !n.running():
		return "ended"
	case stage == "":
		return "starting"
	default:
		return stage
	}
}

// look returns what the node says of itself. One that does not answer at once
// says nothing.
func (n *node) look(client *http.Client) nodeState {
	s := nodeState{name: n.name, stage: n.stage(), page: n.addr}
	if !n.running() {
		return s
	}
	sums, err := n.metrics(client)
	if err != nil {
		return s
	}
	now := time.Now()
	s.answers = true
	s.targets = int(sums["prometheus_scrape_targets_gauge"])
	s.backlog = int64(sums["prometheus_remote_storage_samples_pending"])
	s.rss = uint64(sums["divvy_resources_process_resident_memory_bytes"])
	s.cpu = n.cpu.perSecond(now, sums["divvy_resources_process_cpu_seconds_total"])
	s.samples = n.samples.perSecond(now, sums["prometheus_remote_storage_samples_in_total"])
	return s
}

// metrics asks the node for its metrics and returns the sum of each by name.
func (n *node) metrics(client *http.Client) (map[string]float64, error) {
	res, err := client.Get("http://" + n.addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return sumMetrics(res.Body)
}

// sumMetrics returns the sum of each metric by name.
func sumMetrics(text io.Reader) (map[string]float64, error) {
	sums := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		name := line[:max(0, strings.IndexAny(line, "{ "))]
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err == nil {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}

// nodeVariable is the environment variable that tells a process its node.
const nodeVariable = "DIVVY_DEMO_NODE"

// configText returns the configuration of every node.
func configText(bed *testbed.Bed, interval time.Duration) string {
	return fmt.Sprintf(`// Written by divvy demo, the same for every node. One of your own looks like this.

// The demo reads the log of every node. People prefer the default, logfmt.
logging {
	format = "json"
}

// Where the targets come from.
discovery.http "demo" {
	url              = %q
	refresh_interval = "5s"
}

// What is scraped, and how often. The nodes share the targets.
prometheus.scrape "demo" {
	targets         = discovery.http.demo.targets
	scrape_interval = %q
	scrape_timeout  = %q
	forward_to      = [prometheus.remote_write.demo.receiver]

	clustering {
		enabled = true
	}

	// Only here: the demo's targets want to know who has come.
	http_headers = {%q = [sys.env(%q)]}
}

// Where the samples go.
prometheus.remote_write "demo" {
	endpoint {
		url = %q

		queue_config {
			max_backoff = "1s"
		}
	}
}
`, bed.DiscoveryURL(), interval, interval, testbed.NodeHeader, nodeVariable, bed.WriteURL())
}
