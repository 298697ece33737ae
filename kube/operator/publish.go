package operator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/divvy-collector/divvy/kube/operator/sources"
	"github.com/divvy-collector/divvy/kube/operator/translate"
)

// regroup has the tasks look at the groups that have changed.
func (s *session) regroup() {
	news := map[*sources.Source][]string{}
	for _, t := range s.tasks {
		for _, src := range t.sources {
			if _, asked := news[src]; !asked {
				news[src] = src.Changed()
			}
		}
	}
	for _, t := range s.tasks {
		before := t.firstWrong()
		for i, src := range t.sources {
			for _, name := range news[src] {
				t.take(i, name, src.Group(name))
			}
		}
		if after := t.firstWrong(); fmt.Sprint(after) != fmt.Sprint(before) {
			s.record(t.object, s.objects[t.object])
		}
	}
}

// seenAll reports whether the objects, what they refer to and what their sources
// look at were all seen.
func (s *session) seenAll() bool {
	for _, l := range s.leases {
		if !l.Seen() {
			return false
		}
	}
	s.mu.Lock()
	waiting := len(s.dirty)
	s.mu.Unlock()
	if waiting > 0 {
		return false
	}
	for _, o := range s.objects {
		if o.pending {
			return false
		}
	}
	for _, t := range s.tasks {
		if !t.seen() {
			return false
		}
	}
	return true
}

// holds reports whether a task holds targets of the one before without a reason:
// its sources were seen, or were denied meanwhile.
func (s *session) holds() bool {
	for _, t := range s.tasks {
		if t.stale != nil && t.seen() {
			return true
		}
	}
	return false
}

// finish publishes the jobs if they have changed, or were never published.
func (s *session) finish() {
	if !s.complete {
		s.regroup() // what came with the last of the sources
	}
	e := s.engine
	for name, t := range s.tasks {
		if t.last == nil {
			t.adopt(e.published[name])
		}
	}
	jobs, targets, duplicates := merge(s.tasks)
	e.metrics.jobs.Set(float64(len(jobs)))
	e.metrics.targets.Set(float64(targets))
	e.metrics.duplicates.Set(float64(duplicates))
	first := !s.complete
	s.complete = true
	if first || !sameJobs(jobs, e.published) {
		e.published = map[string]*Job{}
		for _, j := range jobs {
			e.published[j.Name] = j
		}
		s.conf.Publish(jobs)
	}
	if first {
		e.mu.Lock()
		e.synced = true
		e.mu.Unlock()
	}
}

// sameJobs reports whether a list is the one that was published.
func sameJobs(jobs []*Job, published map[string]*Job) bool {
	return len(jobs) == len(published) &&
		!slices.ContainsFunc(jobs, func(j *Job) bool { return published[j.Name] != j })
}

// refers returns whether something is referred to by an object.
func (s *session) refers() func(translate.Ref) bool {
	used := map[translate.Ref]bool{}
	for _, o := range s.objects {
		for _, r := range o.refs {
			used[r] = true
		}
	}
	return func(r translate.Ref) bool { return used[r] }
}

// record notes what is to be shown of an object.
func (s *session) record(k objectKey, o *object) {
	if o == nil {
		return
	}
	r := record{status: ObjectStatus{
		Namespace: k.namespace, Name: k.name, LastReconcile: o.at, Jobs: len(o.tasks), Err: o.err,
	}}
	for _, t := range o.tasks {
		r.scrapes = append(r.scrapes, t.scrape)
		r.sources = append(r.sources, t.sources)
		if r.status.Err == nil {
			r.status.Err = t.firstWrong()
		}
	}
	s.ledger.set(k, r)
}

// count brings the metrics of objects up to date. An object is invalid if its
// page says that something of it is, be it a target that cannot be scraped.
func (s *session) count() {
	n := map[string]int{stateValid: 0, stateInvalid: 0, statePending: 0}
	for k, o := range s.objects {
		r, _ := s.ledger.one(k)
		switch {
		case o.pending:
			n[statePending]++
		case r.status.Err == nil:
			n[stateValid]++
		default:
			n[stateInvalid]++
		}
	}
	for state, count := range n {
		s.engine.metrics.objects.WithLabelValues(state).Set(float64(count))
	}
}

// weather returns why the copies of what the API server has may be out of date;
// nil if they are current. It names a few watches; the others have the same
// reason most of the time.
func (s *session) weather() error {
	const shown = 3
	var errs []error
	for _, w := range s.set.Watches() {
		if err := w.Err(); err != nil {
			errs = append(errs, err)
		}
	}
	if more := len(errs) - shown; more > 0 {
		errs = append(errs[:shown], fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}
