package testbed

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// A Report is what a Receiver has counted.
type Report struct {
	Requests  int64 `json:"requests"` // taken
	Refused   int64 `json:"refused"`  // answered otherwise, or not at all
	WireBytes int64 `json:"wire_bytes"`
	Bytes     int64 `json:"bytes"` // after decompression

	Samples       int64 `json:"samples"`        // of the targets' own series, without markers
	ReportSamples int64 `json:"report_samples"` // of up and scrape_…, which the collector adds
	Stale         int64 `json:"stale"`          // staleness markers of any series
	Histograms    int64 `json:"histograms"`
	Exemplars     int64 `json:"exemplars"`
	Metadata      int64 `json:"metadata"`

	Scrapes    int64         `json:"scrapes"`      // different ones that arrived
	Duplicates int64         `json:"duplicates"`   // that arrived again
	OutOfOrder int64         `json:"out_of_order"` // that arrived for the first time after a later one of their target
	Late       int64         `json:"late"`         // that arrived later than ReceiverConfig.LateAfter
	LagP50     time.Duration `json:"lag_p50"`      // from a scrape's time to its arrival; rounded up to a power of 2 ms
	LagP99     time.Duration `json:"lag_p99"`

	// With ReceiverConfig.Verify:
	Series           int64 `json:"series"`              // different ones
	SeriesOutOfOrder int64 `json:"series_out_of_order"` // samples that are older than their series' newest
	SeriesRepeated   int64 `json:"series_repeated"`     // samples at the time of their series' newest
}

// A ledger books what arrives.
type ledger struct {
	Report
	cfg      ReceiverConfig
	targets  map[string]*arrivals
	lag      [40]int64        // number of scrapes by bits.Len of their lag in ms
	newest   map[uint64]int64 // hash of labels -> time of the newest sample
	recorded map[string][]Point
	scratch  []byte
}

// arrivals is what came of one target.
type arrivals struct {
	seen   []uint8 // how often each count arrived, up to 255
	newest int64   // time of the newest scrape that arrived, Unix ms
}

func (l *ledger) init(cfg ReceiverConfig) {
	l.cfg = cfg
	l.targets = map[string]*arrivals{}
	l.newest = map[uint64]int64{}
	l.recorded = map[string][]Point{}
}

// enter books one series of a request that arrived at now.
func (l *ledger) enter(s *series, now time.Time) {
	name := string(s.label("__name__"))
	added := name == "up" || strings.HasPrefix(name, "scrape_")
	for _, p := range s.points {
		switch {
		case p.Stale():
			l.Stale++
		case added:
			l.ReportSamples++
		default:
			l.Samples++
		}
	}
	l.Histograms += int64(s.histograms)
	l.Exemplars += int64(s.exemplars)
	if name == "testbed_scrapes_total" {
		l.enterCounts(string(s.label("target")), s.points, now)
	}
	if l.cfg.Verify {
		l.verify(s)
	}
	if l.cfg.Record {
		key := text(s)
		l.recorded[key] = append(l.recorded[key], s.points...)
	}
}

// enterCounts books the counts of one target.
func (l *ledger) enterCounts(target string, points []Point, now time.Time) {
	a := l.targets[target]
	if a == nil {
		a = &arrivals{}
		l.targets[target] = a
	}
	for _, p := range points {
		if p.Stale() || p.V < 1 {
			continue
		}
		l.enterScrape(a, p, now)
	}
}

func (l *ledger) enterScrape(a *arrivals, p Point, now time.Time) {
	seq := int(p.V)
	for seq >= len(a.seen) {
		a.seen = append(a.seen, 0)
	}
	again := a.seen[seq] > 0
	a.seen[seq] = min(a.seen[seq], 254) + 1
	if again {
		l.Duplicates++
		return
	}
	l.Scrapes++
	if p.T < a.newest {
		l.OutOfOrder++
	}
	a.newest = max(a.newest, p.T)
	lag := max(now.UnixMilli()-p.T, 0)
	l.lag[min(bits.Len64(uint64(lag)), len(l.lag)-1)]++
	if lag > l.cfg.LateAfter.Milliseconds() {
		l.Late++
	}
}

// verify books the times of one series.
func (l *ledger) verify(s *series) {
	l.scratch = l.scratch[:0]
	for _, pair := range s.labels {
		l.scratch = append(append(l.scratch, pair[0]...), 0xff)
		l.scratch = append(append(l.scratch, pair[1]...), 0xff)
	}
	key := xxhash.Sum64(l.scratch)
	newest, known := l.newest[key]
	for _, p := range s.points {
		switch {
		case known && p.T < newest:
			l.SeriesOutOfOrder++
		case known && p.T == newest:
			l.SeriesRepeated++
		}
		newest, known = max(newest, p.T), true
	}
	l.newest[key] = newest
}

// text returns the labels of s as {a="b",c="d"}, sorted.
func text(s *series) string {
	pairs := make([]string, len(s.labels))
	for i, l := range s.labels {
		pairs[i] = fmt.Sprintf("%s=%q", l[0], l[1])
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// snapshot returns the counts with what is derived from them.
func (l *ledger) snapshot() Report {
	r := l.Report
	r.Series = int64(len(l.newest))
	r.LagP50, r.LagP99 = l.quantile(0.5), l.quantile(0.99)
	return r
}

// quantile returns an upper bound of the lag of the fraction q of the scrapes.
func (l *ledger) quantile(q float64) time.Duration {
	rest := int64(q * float64(l.Scrapes))
	for i, n := range l.lag {
		if rest -= n; rest < 0 {
			return time.Duration(1<<i) * time.Millisecond
		}
	}
	return 0
}

// times returns how often scrape seq of target arrived.
func (l *ledger) times(target string, seq uint64) int {
	if a := l.targets[target]; a != nil && seq < uint64(len(a.seen)) {
		return int(a.seen[seq])
	}
	return 0
}
