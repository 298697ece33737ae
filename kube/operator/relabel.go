package operator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/divvy-collector/divvy/kube/operator/sources"
	"github.com/divvy-collector/divvy/telemetry"
)

// Labels of a target that say how its histograms are taken.
const (
	nhcbLabel    = "__convert_classic_histograms_to_nhcb__"
	classicLabel = "__always_scrape_classic_histograms__"
	nativeLabel  = "__scrape_native_histograms__"
)

// errDropped says that the rules of a job drop a target.
var errDropped = errors.New("dropped by the rules")

// A relabeller turns discovered targets into final ones, for one job. It is not
// for use by several goroutines.
type relabeller struct {
	builder  *labels.Builder
	defaults []labels.Label // of targets that have none of their own
	rules    []*relabel.Config
	filter   filter // of the rules, those that can be asked first

	// interval and timeout are the defaults, which are known to fit.
	interval, timeout string
}

// newRelabeller returns the relabeller of a scrape configuration.
func newRelabeller(c *config.ScrapeConfig) *relabeller {
	r := &relabeller{
		builder: labels.NewBuilder(labels.EmptyLabels()), rules: c.RelabelConfigs, filter: newFilter(c.RelabelConfigs),
		interval: c.ScrapeInterval.String(), timeout: c.ScrapeTimeout.String(),
	}
	add := func(name, value string) { r.defaults = append(r.defaults, labels.Label{Name: name, Value: value}) }
	add(model.JobLabel, c.JobName)
	add(model.ScrapeIntervalLabel, r.interval)
	add(model.ScrapeTimeoutLabel, r.timeout)
	add(model.MetricsPathLabel, c.MetricsPath)
	add(model.SchemeLabel, c.Scheme)
	add(nhcbLabel, strconv.FormatBool(c.ConvertClassicHistogramsToNHCBEnabled()))
	add(classicLabel, strconv.FormatBool(c.AlwaysScrapeClassicHistogramsEnabled()))
	add(nativeLabel, strconv.FormatBool(c.ScrapeNativeHistogramsEnabled()))
	for name, values := range c.Params {
		if len(values) > 0 {
			add(model.ParamLabelPrefix+name, values[0])
		}
	}
	return r
}

// group returns the targets of a group that are left after the rules, and what
// is wrong with the first of those that cannot be scraped.
func (r *relabeller) group(g *sources.Group) (out []Target, wrong error) {
	single, kept := r.filter.group(g)
	if !kept {
		return nil, nil
	}
	missing := r.missing(g.Shared)
	for _, own := range g.Targets {
		if single.drop(g.Shared, own) {
			continue
		}
		final, err := r.target(g.Shared, own, missing)
		switch {
		case err == nil:
			out = append(out, Target{Labels: final, Own: own, Shared: g.Shared})
		case !errors.Is(err, errDropped) && wrong == nil:
			wrong = err
		}
	}
	return out, wrong
}

// missing returns the defaults that a group does not have.
func (r *relabeller) missing(shared labels.Labels) []labels.Label {
	out := make([]labels.Label, 0, len(r.defaults))
	for _, l := range r.defaults {
		if !shared.Has(l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// target returns the final labels of one target, errDropped, or why it cannot
// be scraped. The defaults are those that shared does not have.
func (r *relabeller) target(shared, own labels.Labels, defaults []labels.Label) (telemetry.Labels, error) {
	b := r.builder
	b.Reset(shared)
	for _, l := range defaults {
		b.Set(l.Name, l.Value)
	}
	own.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	if !relabel.ProcessBuilder(b, r.rules...) {
		return telemetry.Labels{}, errDropped
	}
	if err := r.check(b); err != nil {
		return telemetry.Labels{}, err
	}
	b.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) && !says(l.Name) {
			b.Del(l.Name)
		}
	})
	if b.Get(model.InstanceLabel) == "" {
		b.Set(model.InstanceLabel, b.Get(model.AddressLabel))
	}
	return b.Labels(), nil
}

// says reports whether a label that begins with two underscores says how to
// scrape.
func says(name string) bool {
	switch name {
	case model.AddressLabel, model.SchemeLabel, model.MetricsPathLabel, model.ScrapeIntervalLabel, model.ScrapeTimeoutLabel,
		nhcbLabel, classicLabel, nativeLabel:
		return true
	}
	return strings.HasPrefix(name, model.ParamLabelPrefix)
}

// check reports why a target with these labels cannot be scraped.
func (r *relabeller) check(b *labels.Builder) error {
	addr := b.Get(model.AddressLabel)
	if addr == "" {
		return errors.New("a target has no address")
	}
	if err := config.CheckTargetAddress(model.LabelValue(addr)); err != nil {
		return err
	}
	every, patience := b.Get(model.ScrapeIntervalLabel), b.Get(model.ScrapeTimeoutLabel)
	if every == r.interval && patience == r.timeout {
		return nil
	}
	interval, err := model.ParseDuration(every)
	if err != nil {
		return fmt.Errorf("read scrape interval of target %s: %w", addr, err)
	}
	timeout, err := model.ParseDuration(patience)
	if err != nil {
		return fmt.Errorf("read scrape timeout of target %s: %w", addr, err)
	}
	if interval == 0 || timeout == 0 || timeout > interval {
		return fmt.Errorf("target %s: scrape interval %s and timeout %s do not fit", addr, interval, timeout)
	}
	return nil
}
