package testbed

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unique"
)

// FleetConfig says what a Fleet is made of.
type FleetConfig struct {
	Targets     int  // 0: 1
	Series      int  // per target, without testbed_scrapes_total; 0: 100
	Defective   int  // of target 0: that many more series, with the label defect="1"
	Hosts       int  // spread the targets over that many addresses 127.0.1.1, …; 0: one address
	Gzip        bool // answer gzip to a client that accepts it
	OpenMetrics bool // answer OpenMetrics 1.0 to a client that accepts it
	Kube        bool // show pods, as kube-state-metrics does, instead of an application
	Renew       int  // with Kube: scrapes in which all pods are replaced, one after the other; 0: never
}

// A Fleet is a number of targets behind one http.Handler:
//
//	/t/<n>/metrics   the exposition of target n
//	/sd              all targets, as HTTP service discovery wants them
//
// It may be used by any number of goroutines.
type Fleet struct {
	cfg     FleetConfig
	targets []*target
}

// A Scrape is one answer of one target.
type Scrape struct {
	Target string
	Seq    uint64    // from 1
	Time   time.Time // when the request came in
	By     string    `json:",omitempty"` // what the request had as NodeHeader
}

// NodeHeader is the header in which a collector may say which node it is.
const NodeHeader = "X-Node"

// A Group is an element of what service discovery over HTTP or file returns.
type Group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// NewFleet renders the targets of cfg. It opens nothing.
func NewFleet(cfg FleetConfig) *Fleet {
	if cfg.Targets == 0 {
		cfg.Targets = 1
	}
	if cfg.Series == 0 {
		cfg.Series = 100
	}
	f := &Fleet{cfg: cfg, targets: make([]*target, cfg.Targets)}
	for i := range f.targets {
		f.targets[i] = newTarget(cfg, i)
	}
	return f
}

// Series returns the number of series that the whole fleet shows.
func (f *Fleet) Series() int {
	return f.cfg.Targets*(f.cfg.Series+1) + f.cfg.Defective
}

// SetMode makes target n behave as m says, from its next scrape.
func (f *Fleet) SetMode(n int, m Mode) {
	t := f.targets[n]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mode = m
}

// Scrapes returns the answers that target n has given and that it still
// remembers, oldest first. Answers that could not be written out are not
// among them.
func (f *Fleet) Scrapes(n int) []Scrape { return f.targets[n].answered() }

// Exposition returns what target n shows in its scrape number seq when its mode
// is OK, as uncompressed text.
func (f *Fleet) Exposition(n int, seq uint64) []byte {
	t := f.targets[n]
	t.render.Lock()
	defer t.render.Unlock()
	t.body.patch(seq)
	return t.tail(t.arrange(nil, seq, OK), seq, false)
}

// Answered returns how many scrapes the fleet has answered.
func (f *Fleet) Answered() (scrapes int64) {
	for _, t := range f.targets {
		t.mu.Lock()
		scrapes += t.written
		t.mu.Unlock()
	}
	return scrapes
}

// Groups returns the fleet as discovery sees it when it listens on addr
// (host:port). The label instance names the target.
func (f *Fleet) Groups(addr string) []Group {
	groups := make([]Group, len(f.targets))
	for i, t := range f.targets {
		groups[i] = Group{
			Targets: []string{f.address(addr, i)},
			Labels:  map[string]string{"instance": t.name, "__metrics_path__": path(i)},
		}
	}
	return groups
}

// address returns where target i answers.
func (f *Fleet) address(addr string, i int) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || f.cfg.Hosts == 0 {
		return addr
	}
	return net.JoinHostPort(host(i%f.cfg.Hosts), port)
}

func path(i int) string { return "/t/" + strconv.Itoa(i) + "/metrics" }

// host returns the i-th of the loopback addresses that a fleet spreads over.
func host(i int) string { return fmt.Sprintf("127.0.%d.%d", 1+i/250, 1+i%250) }

// ServeHTTP answers scrapes and discovery.
func (f *Fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/sd" {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(f.Groups(r.Host))
		return
	}
	var n int
	if _, err := fmt.Sscanf(r.URL.Path, "/t/%d/metrics", &n); err != nil || n < 0 || n >= len(f.targets) {
		http.NotFound(w, r)
		return
	}
	f.targets[n].serve(w, r)
}

// remembered is how many scrapes a target remembers at least.
const remembered = 1 << 16

// A target is one member of a fleet.
type target struct {
	cfg  FleetConfig
	name string // t0007
	n    uint64 // 7

	render sync.Mutex // held while an answer is made and written
	body   *body
	zipped [][]byte // some variants of body, compressed; made when first wanted
	buf    []byte

	mu      sync.Mutex // guards what follows; never held while writing
	mode    Mode
	seq     uint64
	written int64
	first   uint64   // sequence number of answers[0]
	answers []answer // of each scrape
}

// An answer is what a target remembers of a scrape.
type answer struct {
	at int64 // Unix ns; 0 if it is not answered, or not yet
	by unique.Handle[string]
}

func newTarget(cfg FleetConfig, i int) *target {
	t := &target{cfg: cfg, name: fmt.Sprintf("t%04d", i), n: uint64(i), first: 1}
	t.body = render(t.name, cfg)
	if i == 0 {
		t.body.addDefective(cfg.Defective)
	}
	return t
}

// addDefective adds n gauges that a receiver can be told to refuse.
func (b *body) addDefective(n int) {
	if n == 0 {
		return
	}
	b.text = append(b.text, "# TYPE app_defective gauge\n"...)
	b.lines = b.lines[:len(b.lines)-1]
	for i := range n {
		b.lines = append(b.lines, len(b.text))
		b.text = fmt.Appendf(b.text, "app_defective{defect=\"1\",number=\"%d\"} 1\n", i)
	}
	b.lines = append(b.lines, len(b.text))
}

// begin numbers a scrape.
func (t *target) begin() (seq uint64, m Mode) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq++
	if len(t.answers) >= 2*remembered {
		t.answers = append(t.answers[:0], t.answers[remembered:]...)
		t.first += remembered
	}
	t.answers = append(t.answers, answer{})
	return t.seq, t.mode
}

// end books that the scrape seq, which came in at the time at from a node, was
// answered.
func (t *target) end(seq uint64, at time.Time, node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written++
	if seq >= t.first {
		t.answers[seq-t.first] = answer{at.UnixNano(), unique.Make(node)}
	}
}

func (t *target) answered() []Scrape {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Scrape, 0, len(t.answers))
	for i, a := range t.answers {
		if a.at != 0 {
			list = append(list, Scrape{t.name, t.first + uint64(i), time.Unix(0, a.at), a.by.Value()})
		}
	}
	return list
}
