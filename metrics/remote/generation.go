package remote

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/telemetry"
)

// A generation is one state of the rules, with the series that were resolved
// under it. When the rules change, the next one begins; the last lives on for
// as long as handles into it are held, because their staleness markers must
// bear the labels that their samples had.
type generation struct {
	id       telemetry.SinkID
	external labels.Labels
	variants [][]*relabel.Config // distinct lists of rules
	variant  map[string]int      // rulesKey -> index into variants
	of       map[*endpoint]int   // the variant of each endpoint
	table    *wire.Table
}

// newGeneration returns the generation that the settings of endpoints ask for,
// without any series.
func newGeneration(external labels.Labels, endpoints []*endpoint) *generation {
	g := &generation{
		id:       telemetry.NewSinkID(),
		external: external,
		variant:  map[string]int{},
		of:       map[*endpoint]int{},
	}
	for _, e := range endpoints {
		rules := e.settings.Load().Rules
		key := rulesKey(rules)
		v, known := g.variant[key]
		if !known {
			v = len(g.variants)
			g.variant[key] = v
			g.variants = append(g.variants, rules)
		}
		g.of[e] = v
	}
	g.table = wire.NewTable(len(g.variants))
	return g
}

// serves reports whether g is what newGeneration would return for these.
func (g *generation) serves(external labels.Labels, endpoints []*endpoint) bool {
	if !labels.Equal(g.external, external) || len(g.of) != len(endpoints) {
		return false
	}
	for _, e := range endpoints {
		v, known := g.of[e]
		if !known || rulesKey(g.variants[v]) != rulesKey(e.settings.Load().Rules) {
			return false
		}
	}
	return true
}

// apply returns the labels that a series has at each variant; those of a
// series that the rules drop are empty.
func (g *generation) apply(lset telemetry.Labels) []telemetry.Labels {
	out := make([]telemetry.Labels, len(g.variants))
	base := withExternal(lset, g.external)
	for i, rules := range g.variants {
		out[i] = base
		if len(rules) == 0 {
			continue
		}
		b := labels.NewBuilder(base)
		if !relabel.ProcessBuilder(b, rules...) {
			out[i] = labels.EmptyLabels()
			continue
		}
		out[i] = b.Labels()
	}
	return out
}

// withExternal adds the labels that lset lacks.
func withExternal(lset, external labels.Labels) labels.Labels {
	if external.IsEmpty() {
		return lset
	}
	b := labels.NewBuilder(lset)
	external.Range(func(l labels.Label) {
		if lset.Get(l.Name) == "" {
			b.Set(l.Name, l.Value)
		}
	})
	return b.Labels()
}

// resolve returns the handle of a series, and whether it is a new one.
func (g *generation) resolve(lset telemetry.Labels, md *telemetry.Metadata) (h telemetry.Handle, created bool) {
	n, created, ok := g.table.Resolve(g.apply(lset), md)
	if !ok {
		return telemetry.Dropped, false
	}
	return g.id.Handle(n), created
}
