package report

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// driftPatience is how long nodes may run different configurations: a new one
// is not loaded everywhere at the same moment.
const driftPatience = time.Minute

// drifting is since when configurations differ. It belongs to Run.
type drifting struct {
	since map[string]time.Time // by hash of those that are not most nodes'
}

// look compares the hashes of configurations. It returns the differences that
// last too long, without files and components.
func (d *drifting) look(now time.Time, heard []said[brief]) []Drift {
	nodes := map[string][]string{}
	for _, s := range heard {
		if s.what.Config != "" {
			nodes[s.what.Config] = append(nodes[s.what.Config], s.node)
		}
	}
	usual := mostCommon(nodes)
	since := map[string]time.Time{}
	list := []Drift{}
	for _, config := range slices.Sorted(maps.Keys(nodes)) {
		if config == usual {
			continue
		}
		began, known := d.since[config]
		if !known {
			began = now
		}
		since[config] = began
		if now.Sub(began) > driftPatience {
			slices.Sort(nodes[config])
			list = append(list, Drift{Since: began, Nodes: nodes[config], Files: []string{}, Components: []string{}})
		}
	}
	d.since = since
	return list
}

// mostCommon returns the configuration of most nodes; of several, that of the
// node that is the first by name.
func mostCommon(nodes map[string][]string) (usual string) {
	for config, list := range nodes {
		others := nodes[usual]
		if usual == "" || cmp.Or(cmp.Compare(len(others), len(list)), cmp.Compare(slices.Min(list), slices.Min(others))) < 0 {
			usual = config
		}
	}
	return usual
}

// describeDrift fills in what differs between the configurations of nodes that
// drift and that of one that does not.
func describeDrift(list []Drift, nodes []Node) []Drift {
	byName := map[string]*Configuration{}
	drifts := map[string]bool{}
	for i := range nodes {
		byName[nodes[i].Name] = &nodes[i].Config
	}
	for _, d := range list {
		for _, n := range d.Nodes {
			drifts[n] = true
		}
	}
	var usual *Configuration
	for i := range nodes {
		if !drifts[nodes[i].Name] {
			usual = &nodes[i].Config
			break
		}
	}
	out := make([]Drift, len(list))
	for i, d := range list {
		if other := byName[d.Nodes[0]]; other != nil && usual != nil {
			d.Files = different(usual.Files, other.Files)
			d.Components = different(usual.Components, other.Components)
		}
		out[i] = d
	}
	return out
}

// different returns the names whose hashes differ, or that only one has, sorted.
func different(a, b map[string]string) []string {
	names := []string{}
	for name := range a {
		if a[name] != b[name] {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, known := a[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
