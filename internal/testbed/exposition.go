package testbed

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A body is the exposition of one target, rendered once. About two in five
// values change with every scrape: their digits are patched in place, which
// keeps the length of every line.
//
//	# TYPE app_requests_total counter
//	app_requests_total{code="200",…,pod="web-5f3a"} 1004711
//	                                                 └────┘ slot
type body struct {
	text  []byte
	slots []slot
	lines []int // offset of every sample line, and of the end
}

// A slot is changing digits: width of them at offset at. Those of a value come
// after a first digit that stays; those of an identity count its renewals.
type slot struct {
	at    int
	width int
	start uint64
	step  uint64 // by which it grows
	every uint64 // scrapes from one growth to the next; 0: it stays
	phase uint64 // scrapes by which it is ahead of the others
}

// patch writes the values of the n-th scrape into b.
func (b *body) patch(n uint64) {
	for _, s := range b.slots {
		v := s.start
		if s.every > 0 {
			v += (n + s.phase) / s.every * s.step
		}
		for i := s.at + s.width - 1; i >= s.at; i-- {
			b.text[i] = '0' + byte(v%10)
			v /= 10
		}
	}
}

// A renderer writes one target's exposition.
type renderer struct {
	body
	rnd         *rand.Rand
	pod         string
	openMetrics bool
	left        int    // series still to be written
	still       int    // of a hundred values, how many stay as they are
	renew       uint64 // as FleetConfig.Renew
}

// render returns the exposition of the target name. Equal arguments give equal
// bodies.
func render(name string, cfg FleetConfig) *body {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := &renderer{
		rnd:         rand.New(rand.NewPCG(h.Sum64(), uint64(cfg.Series))),
		openMetrics: cfg.OpenMetrics,
		left:        cfg.Series,
		still:       60,
		renew:       uint64(cfg.Renew),
	}
	r.pod = fmt.Sprintf("web-%08x-%s", h.Sum64()>>32, name)
	if cfg.Kube {
		r.still = 96
		r.kube(name)
	}
	for i := 0; r.left > 0; i++ {
		r.family(i)
	}
	r.lines = append(r.lines, len(r.text))
	return &r.body
}

// family writes the i-th family: the kinds and sizes that exporters mix.
func (r *renderer) family(i int) {
	switch i % 4 {
	case 0:
		r.requests(fmt.Sprintf("app_http_requests_%d_total", i/4))
	case 1:
		r.gauges(fmt.Sprintf("app_pool_connections_%d", i/4))
	case 2:
		r.histogram(fmt.Sprintf("app_request_duration_%d_seconds", i/4))
	case 3:
		r.devices(fmt.Sprintf("node_disk_io_time_%d_seconds_total", i/4))
	}
}

func (r *renderer) requests(name string) {
	r.head(name, "counter", "Requests answered, by method, code and route.")
	for _, method := range []string{"GET", "POST"} {
		for _, code := range []string{"200", "204", "404", "500"} {
			r.line(name, fmt.Sprintf(`code="%s",method="%s",route="/api/v1/items/{id}",pod="%s"`, code, method, r.pod))
		}
	}
}

func (r *renderer) gauges(name string) {
	r.head(name, "gauge", "Connections of the pool, by state.")
	for _, state := range []string{"idle", "active", "waiting"} {
		r.line(name, fmt.Sprintf(`pool="primary",state="%s"`, state))
	}
}

func (r *renderer) histogram(name string) {
	r.head(name, "histogram", "Time to the last byte of the answer.")
	for _, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf"} {
		r.line(name+"_bucket", fmt.Sprintf(`route="/api/v1/items/{id}",le="%s"`, le))
	}
	r.line(name+"_sum", `route="/api/v1/items/{id}"`)
	r.line(name+"_count", `route="/api/v1/items/{id}"`)
}

func (r *renderer) devices(name string) {
	r.head(name, "counter", "Time that the device was busy.")
	for d := range 5 {
		r.line(name, fmt.Sprintf(`device="nvme%dn1",pod="%s"`, d, r.pod))
	}
}

// head writes the HELP and TYPE lines of a family that has a series left.
func (r *renderer) head(name, kind, help string) {
	if r.left == 0 {
		return
	}
	r.text = append(r.text, familyHead(name, kind, help, r.openMetrics)...)
}

// familyHead returns HELP and TYPE lines. OpenMetrics names a counter's family
// without the suffix of its series.
func familyHead(name, kind, help string, openMetrics bool) string {
	if openMetrics && kind == "counter" {
		name = strings.TrimSuffix(name, "_total")
	}
	return fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// line writes one sample line, if the target has a series left.
func (r *renderer) line(name, labels string) {
	if r.left == 0 {
		return
	}
	r.begin(name)
	r.text = append(r.text, '{')
	r.text = append(r.text, labels...)
	r.text = append(r.text, "} "...)
	r.value()
	r.text = append(r.text, '\n')
}

// begin writes the name of a sample line.
func (r *renderer) begin(name string) {
	r.left--
	r.lines = append(r.lines, len(r.text))
	r.text = append(r.text, name...)
}

// value writes a value as real ones are distributed: most (three in five,
// unless r.still says otherwise) stay as they are and are short, the rest
// changes with every scrape.
func (r *renderer) value() {
	still := []string{"0", "0", "0", "1", "1", "2", "17", "0.5", "1.048576e+06"}
	if r.rnd.IntN(100) < r.still {
		r.text = append(r.text, still[r.rnd.IntN(len(still))]...)
		return
	}
	s := slot{width: 1 + r.rnd.IntN(6), start: r.rnd.Uint64N(1e6), step: 1 + r.rnd.Uint64N(97), every: 1}
	r.text = strconv.AppendUint(r.text, 1+r.rnd.Uint64N(9), 10)
	if r.rnd.IntN(4) == 0 {
		r.text = append(r.text, '.')
	}
	s.at = len(r.text)
	r.text = append(r.text, "000000"[:s.width]...)
	r.slots = append(r.slots, s)
}
