package scrape

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Labels by which a target says where its profiles are.
const (
	pathLabel   = "__profile_path__"
	prefixLabel = "__profile_path_prefix__"
)

// secondsParam is the parameter that makes a profile last.
const secondsParam = "seconds"

// An identity is what a target is after the defaults of the configuration were
// applied to it. It is immutable; a change of the configuration makes another
// one for the same target.
type identity struct {
	key      owner.Key
	url      string           // where its profiles are, as it may be shown
	job      string           // label job
	shown    telemetry.Labels // its public labels, without passwords
	requests []*request
}

// A request is one type of profile of one target. It is immutable.
type request struct {
	name     string // of the type, in the configuration
	url      string
	shownURL string           // without its password
	labels   telemetry.Labels // of the series, those for rules included
	seconds  int              // how long the profile lasts; 0: it is taken at once
	counters []string         // values that count from the start of the process; nil: none
}

// countersOf returns the values that count from the start of the process, by the kind
// of profile.
func countersOf(kind string) []string {
	switch kind {
	case "memory":
		return []string{"alloc_objects", "alloc_space"}
	case "mutex", "block":
		return []string{"contentions", "delay"}
	}
	return nil
}

// identify applies cfg to a discovered target. The labels that decide the key
// are the discovered ones, so that the key, and with it the owner and the slots,
// does not change with a default.
func identify(cfg *Config, found telemetry.Target) (*identity, error) {
	lb := labels.NewBuilder(found)
	setDefault(lb, model.JobLabel, cfg.JobName)
	setDefault(lb, model.SchemeLabel, cfg.Scheme)
	setDefault(lb, prefixLabel, cfg.PathPrefix)
	for name, values := range cfg.Params {
		if len(values) > 0 {
			setDefault(lb, model.ParamLabelPrefix+name, values[0])
		}
	}
	if err := completeAddress(lb); err != nil {
		return nil, err
	}
	setDefault(lb, model.InstanceLabel, lb.Get(model.AddressLabel))
	setDefault(lb, profiles.LabelService, inferService(found))
	all := lb.Labels()
	if err := all.Validate(validValue); err != nil {
		return nil, err
	}
	id := &identity{key: owner.TargetKey(found), job: all.Get(model.JobLabel), shown: status.HideLabels(public(all))}
	id.url = status.HidePasswords(targetURL(cfg, all, "", 0))
	id.request(cfg, all)
	return id, nil
}

func validValue(l labels.Label) error {
	if !model.LabelValue(l.Value).IsValid() {
		return fmt.Errorf("label %s has an invalid value %q", l.Name, l.Value)
	}
	return nil
}

// setDefault sets a label that is empty or absent.
func setDefault(lb *labels.Builder, name, val string) {
	if lb.Get(name) == "" {
		lb.Set(name, val)
	}
}

// completeAddress checks the address and adds the scheme's port to one without.
func completeAddress(lb *labels.Builder) error {
	addr, scheme := lb.Get(model.AddressLabel), lb.Get(model.SchemeLabel)
	port, known := map[string]string{"": "80", "http": "80", "https": "443"}[scheme]
	switch {
	case addr == "":
		return errors.New("no address")
	case strings.Contains(addr, "/"):
		return fmt.Errorf("%q is not a valid hostname: write host:port, and what else a URL has into __scheme__ and __profile_path__",
			status.HideLabels(labels.FromStrings(model.AddressLabel, addr)).Get(model.AddressLabel))
	case !known:
		return fmt.Errorf("scheme %q is not http or https", scheme)
	}
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr + ":" + port); err == nil {
		lb.Set(model.AddressLabel, addr+":"+port)
	}
	return nil
}

// inferService returns the name of the service that a target is part of, by what
// its discovery knows.
func inferService(found telemetry.Target) string {
	const meta = model.MetaLabelPrefix
	if name := found.Get(meta + "kubernetes_pod_annotation_pyroscope_io_service_name"); name != "" {
		return name
	}
	namespace, container := found.Get(meta+"kubernetes_namespace"), found.Get(meta+"kubernetes_pod_container_name")
	if namespace != "" && container != "" {
		return namespace + "/" + container
	}
	for _, label := range []string{"docker_container_name", "dockerswarm_container_label_service_name", "dockerswarm_service_name"} {
		if name := found.Get(meta + label); name != "" {
			return name
		}
	}
	return "unspecified"
}

// public returns the labels that do not begin with two underscores.
func public(all telemetry.Labels) telemetry.Labels {
	lb := labels.NewBuilder(labels.EmptyLabels())
	all.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			lb.Set(l.Name, l.Value)
		}
	})
	return lb.Labels()
}

// request adds what is asked of the target: a request for each type, but for
// those that a label of the target makes the same.
func (id *identity) request(cfg *Config, all telemetry.Labels) {
	seen := map[string]bool{}
	for _, t := range cfg.Types {
		r := newRequest(cfg, all, t)
		if !seen[r.url] {
			seen[r.url] = true
			id.requests = append(id.requests, r)
		}
	}
}

// newRequest makes the request for one type. A target that names its profile
// decides by that name how it is taken.
func newRequest(cfg *Config, all telemetry.Labels, t Type) *request {
	lb := labels.NewBuilder(all)
	setDefault(lb, profiles.LabelName, t.Name)
	setDefault(lb, pathLabel, t.Path)
	named := lb.Get(profiles.LabelName)
	kind, byTarget := strings.CutPrefix(named, "godeltaprof_")
	lb.Set(profiles.LabelName, kind)
	seconds := 0
	for _, other := range cfg.Types {
		if other.Name == named && other.Lasts {
			seconds = cfg.seconds()
		}
	}
	r := &request{name: t.Name, url: targetURL(cfg, all, lb.Get(pathLabel), seconds)}
	r.shownURL, r.seconds = status.HidePasswords(r.url), secondsOf(r.url)
	if counters := countersOf(kind); counters != nil {
		lb.Set(profiles.LabelDelta, "false")
		if !byTarget && r.seconds == 0 {
			r.counters = counters
		}
	}
	r.labels = lb.Labels()
	return r
}

// targetURL builds the URL of a path. A parameter label replaces the first value
// of its parameter, and seconds are added where nobody says them.
func targetURL(cfg *Config, all telemetry.Labels, path string, seconds int) string {
	params := url.Values{}
	for name, vals := range cfg.Params {
		params[name] = append([]string(nil), vals...)
	}
	all.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(params[name]) > 0:
			params[name][0] = l.Value
		default:
			params[name] = []string{l.Value}
		}
	})
	if seconds > 0 && !params.Has(secondsParam) {
		params.Set(secondsParam, strconv.Itoa(seconds))
	}
	u := url.URL{Scheme: all.Get(model.SchemeLabel), Host: all.Get(model.AddressLabel), RawQuery: params.Encode()}
	return u.JoinPath(all.Get(prefixLabel), path).String()
}

// secondsOf returns how long the profile at a URL lasts; 0: it is taken at once.
func secondsOf(text string) int {
	u, err := url.Parse(text)
	if err != nil {
		return 0
	}
	seconds, err := strconv.Atoi(u.Query().Get(secondsParam))
	if err != nil {
		return 0
	}
	return max(seconds, 0)
}

// shortened returns the URL of the same profile, lasting less.
func (r *request) shortened(seconds int) string {
	u, err := url.Parse(r.url)
	if err != nil || seconds == r.seconds {
		return r.url
	}
	q := u.Query()
	q.Set(secondsParam, strconv.Itoa(seconds))
	u.RawQuery = q.Encode()
	return u.String()
}

// lasts returns how long the profile lasts if it begins late by that much; false
// if it would not end before the next slot. A second is left for the answer.
func (r *request) lasts(late, interval time.Duration) (seconds int, ok bool) {
	if r.seconds == 0 || late <= owner.Tick(interval) {
		return r.seconds, true
	}
	left := int((interval - late - time.Second) / time.Second)
	return min(r.seconds, left), left >= 1
}
