package simulate

import (
	"cmp"
	"slices"
)

// A Division is how the work is shared out while nothing changes.
type Division struct {
	Shares  []Share `json:"shares"`  // by name
	Targets int     `json:"targets"` // of all nodes
	Unowned int     `json:"unowned"` // of them, served by nobody

	// Of the nodes' targets.
	Min  int     `json:"min"`
	Mean float64 `json:"mean"`
	Max  int     `json:"max"`

	Busiest string  `json:"busiest"` // the node with the greatest OfMean
	OfMean  float64 `json:"ofMean"`  // of the busiest
}

// A Share is the work of one node.
type Share struct {
	Node
	Targets          int     `json:"targets"`
	SlotsPerSecond   float64 `json:"slotsPerSecond"`
	SamplesPerSecond float64 `json:"samplesPerSecond"` // 0: not known

	// OfMean is the node's load over its fair part of all load: 1 is just right.
	// Load is samples per second, or slots per second where samples are not known.
	OfMean float64 `json:"ofMean"`
}

// divide returns how nodes share out the targets.
func divide(nodes []Node, targets []Target, owners []string) Division {
	d := Division{Targets: len(targets), Shares: make([]Share, len(nodes))}
	nodes = slices.SortedFunc(slices.Values(nodes), func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	index := map[string]int{}
	for i, n := range nodes {
		d.Shares[i].Node = n
		index[n.Name] = i
	}
	for i, t := range targets {
		at, ok := index[owners[i]]
		if !ok {
			d.Unowned++
			continue
		}
		s := &d.Shares[at]
		s.Targets++
		s.SlotsPerSecond += 1 / t.Interval.Seconds()
		s.SamplesPerSecond += t.Samples / t.Interval.Seconds()
	}
	if len(nodes) > 0 {
		d.compare()
	}
	return d
}

// compare fills in what follows from the shares, of which there is at least one.
func (d *Division) compare() {
	var slots, samples, capacity float64
	for _, s := range d.Shares {
		slots += s.SlotsPerSecond
		samples += s.SamplesPerSecond
		capacity += s.capacity()
	}
	d.Min = d.Shares[0].Targets
	for i := range d.Shares {
		s := &d.Shares[i]
		d.Min, d.Max = min(d.Min, s.Targets), max(d.Max, s.Targets)
		fair := s.capacity() / capacity
		switch {
		case samples > 0:
			s.OfMean = s.SamplesPerSecond / (samples * fair)
		case slots > 0:
			s.OfMean = s.SlotsPerSecond / (slots * fair)
		}
		if i == 0 || s.OfMean > d.OfMean {
			d.Busiest, d.OfMean = s.Name, s.OfMean
		}
	}
	d.Mean = float64(d.Targets-d.Unowned) / float64(len(d.Shares))
}

// capacity returns the node's capacity, filled in.
func (s *Share) capacity() float64 { return cmp.Or(s.Capacity, 1) }
