package operator

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/kube/operator/sources"
)

// A task is a job in the making: what is known of its targets, source by source
// and group by group, so that a group that changes is all that is looked at.
type task struct {
	object  objectKey
	scrape  *config.ScrapeConfig
	rules   *relabeller
	sources []*sources.Source
	found   []map[string][]Target // by source, in their order, and group
	wrong   map[string]error      // by group: targets that cannot be scraped
	stale   []Target              // of the task before, until all sources were seen
	extra   string                // parameters beyond the first value of each

	dirty bool    // found has changed since flat was made
	flat  []ident // all targets, in the order of sources and groups
	last  *Job    // as it was published; nil: it was not
}

// An ident is a target with the hash of what makes it another than others.
type ident struct {
	Target
	hash uint64
}

// newTask returns the task of a scrape configuration, with the targets that its
// sources have found already.
func newTask(object objectKey, c *config.ScrapeConfig, from []*sources.Source) *task {
	t := &task{
		object: object, scrape: c, rules: newRelabeller(c), sources: from,
		found: make([]map[string][]Target, len(from)), wrong: map[string]error{}, extra: extraParams(c.Params),
	}
	for i, s := range from {
		t.found[i] = map[string][]Target{}
		for name, g := range s.All() {
			t.take(i, name, g)
		}
	}
	t.dirty = true
	return t
}

// take evaluates one group of one source; nil: it is gone.
func (t *task) take(source int, name string, g *sources.Group) {
	delete(t.found[source], name)
	delete(t.wrong, name)
	t.dirty = true
	if g == nil {
		return
	}
	targets, wrong := t.rules.group(g)
	if len(targets) > 0 {
		t.found[source][name] = targets
	}
	if wrong != nil {
		t.wrong[name] = wrong
	}
}

// seen reports whether all sources have looked at everything.
func (t *task) seen() bool {
	for _, s := range t.sources {
		if !s.Seen() {
			return false
		}
	}
	return true
}

// firstWrong returns what is wrong with the targets of the first group that
// has such; nil: nothing is.
func (t *task) firstWrong() error {
	for _, name := range slices.Sorted(maps.Keys(t.wrong)) {
		return t.wrong[name]
	}
	return nil
}

// targets returns all targets, in the order of sources and groups.
func (t *task) targets() []ident {
	if t.stale != nil {
		if !t.seen() {
			return t.hash(nil, t.stale)
		}
		t.stale, t.dirty = nil, true
	}
	if !t.dirty {
		return t.flat
	}
	t.dirty = false
	t.flat = nil
	for _, groups := range t.found {
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			t.flat = t.hash(t.flat, groups[name])
		}
	}
	return t.flat
}

// hash appends targets with their hashes. How often and how long a target is
// scraped does not make it another one.
func (t *task) hash(out []ident, list []Target) []ident {
	var buf []byte
	for _, target := range list {
		var h uint64
		h, buf = target.Labels.HashWithoutLabels(buf, classicLabel, nhcbLabel, model.ScrapeIntervalLabel, nativeLabel, model.ScrapeTimeoutLabel)
		if t.extra != "" {
			h ^= xxhash.Sum64String(t.extra)
		}
		out = append(out, ident{target, h})
	}
	return out
}

// job returns what is to be published, with the targets that no other job has:
// the last one if nothing changed.
func (t *task) job(mine []Target) *Job {
	if t.last == nil || t.last.Scrape != t.scrape || !slices.EqualFunc(t.last.Targets, mine, sameTarget) {
		t.last = &Job{
			Name: t.scrape.JobName, Namespace: t.object.namespace, Object: t.object.name,
			Scrape: t.scrape, Targets: mine,
		}
	}
	return t.last
}

// adopt makes t go on from a job of the same name that was published before,
// with its scrape configuration if that is the same.
func (t *task) adopt(j *Job) {
	if j == nil {
		return
	}
	if reflect.DeepEqual(j.Scrape, t.scrape) {
		t.scrape = j.Scrape
	}
	t.last = j
}

// sameTarget reports whether two targets are equal in what is final, and in
// what other software shares them out by.
func sameTarget(a, b Target) bool {
	return labels.Equal(a.Labels, b.Labels) && labels.Equal(a.Own, b.Own)
}

// extraParams returns the values of parameters that labels do not have.
func extraParams(params url.Values) string {
	rest := url.Values{}
	for name, values := range params {
		if len(values) > 1 {
			rest[name] = values[1:]
		}
	}
	return rest.Encode()
}

// follows reports whether the sources of t are what c asks for.
func (t *task) follows(c *config.ScrapeConfig) bool {
	return reflect.DeepEqual(t.scrape.ServiceDiscoveryConfigs, c.ServiceDiscoveryConfigs)
}

// merge returns the jobs of tasks in the order of their names, and how many
// targets were left out because an earlier one is equal.
func merge(tasks map[string]*task) (jobs []*Job, targets, duplicates int) {
	names := slices.Collect(maps.Keys(tasks))
	sort.Strings(names)
	seen := map[uint64]bool{}
	for _, name := range names {
		t := tasks[name]
		all := t.targets()
		mine := make([]Target, 0, len(all))
		for _, target := range all {
			if seen[target.hash] {
				duplicates++
				continue
			}
			seen[target.hash] = true
			mine = append(mine, target.Target)
		}
		targets += len(mine)
		jobs = append(jobs, t.job(mine))
	}
	return jobs, targets, duplicates
}
