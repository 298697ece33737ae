package wire

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/divvy-collector/divvy/telemetry"
)

// families holds the metadata that series share, each with the number of
// series that it describes. Number 0 is no metadata.
type families struct {
	list  []telemetry.Metadata // index 0 is never used
	users []int
	free  []uint32
	byKey map[telemetry.Metadata]uint32
}

// replace gives up old and returns the number of md with one more user.
func (f *families) replace(old uint32, md telemetry.Metadata) uint32 {
	n, known := f.byKey[md]
	if known && n == old {
		return n
	}
	if !known {
		n = f.add(md)
	}
	f.users[n]++
	f.release(old)
	return n
}

// add gives md a number without users. The strings are copied: those of md may
// be part of a whole scrape.
func (f *families) add(md telemetry.Metadata) uint32 {
	if f.byKey == nil {
		f.byKey = map[telemetry.Metadata]uint32{}
		f.list, f.users = make([]telemetry.Metadata, 1), make([]int, 1)
	}
	md = telemetry.Metadata{
		Family: strings.Clone(md.Family),
		Type:   md.Type,
		Unit:   strings.Clone(md.Unit),
		Help:   strings.Clone(md.Help),
	}
	n := uint32(len(f.list))
	if k := len(f.free); k > 0 {
		n, f.free = f.free[k-1], f.free[:k-1]
		f.list[n] = md
	} else {
		f.list, f.users = append(f.list, md), append(f.users, 0)
	}
	f.byKey[md] = n
	return n
}

// release takes one user from n.
func (f *families) release(n uint32) {
	if n == 0 {
		return
	}
	if f.users[n]--; f.users[n] == 0 {
		delete(f.byKey, f.list[n])
		f.list[n] = telemetry.Metadata{}
		f.free = append(f.free, n)
	}
}

// sorted returns the metadata in use, one for each name, by name.
func (f *families) sorted() []telemetry.Metadata {
	var list []telemetry.Metadata
	for md := range f.byKey {
		list = append(list, md)
	}
	slices.SortFunc(list, func(a, b telemetry.Metadata) int {
		return strings.Compare(a.Family+"\xff"+a.Help, b.Family+"\xff"+b.Help)
	})
	return slices.CompactFunc(list, func(a, b telemetry.Metadata) bool { return a.Family == b.Family })
}

// metricType returns the number of a metric type on the wire. Both versions of
// remote write use the same numbers, 0 for a type that is not known.
func metricType(t model.MetricType) uint64 {
	switch t {
	case model.MetricTypeCounter:
		return 1
	case model.MetricTypeGauge:
		return 2
	case model.MetricTypeHistogram:
		return 3
	case model.MetricTypeGaugeHistogram:
		return 4
	case model.MetricTypeSummary:
		return 5
	case model.MetricTypeInfo:
		return 6
	case model.MetricTypeStateset:
		return 7
	}
	return 0
}

// appendMetadata1 appends md as field 3 of a remote write 1.0 request.
func appendMetadata1(b []byte, md telemetry.Metadata) []byte {
	b, at := begin(b, tag(3, wireBytes), 2)
	b = appendVarint(append(b, tag(1, wireVarint)), metricType(md.Type))
	b = appendString(b, 2, md.Family)
	b = appendString(b, 4, md.Help)
	b = appendString(b, 5, md.Unit)
	return end(b, at, 2)
}
