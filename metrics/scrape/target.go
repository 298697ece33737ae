package scrape

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// Labels of a target that decide how its histograms are taken.
const (
	nhcbLabel    = "__convert_classic_histograms_to_nhcb__"
	classicLabel = "__always_scrape_classic_histograms__"
	nativeLabel  = "__scrape_native_histograms__"
)

// An identity is what a target is after the defaults of the configuration
// were applied to it. It is immutable; a change of the configuration makes
// another one for the same target, which keeps its key and its memory.
type identity struct {
	walk.Target // Labels are the public ones, Scope is job/instance

	key     owner.Key
	foreign owner.Key // by which nodes of other software know it; zero: by key
	url     string
	shown   telemetry.Labels // Labels without passwords
	addr    string           // host:port to connect to for plain HTTP; empty: package fetch is not for it
	host    string           // as a request has it, with addr
	uri     string           // path and query, with addr

	// What it was made of, with FinalKeys:
	by    *settings
	found telemetry.Labels
}

// owner returns who serves a slot of the target, by view.
func (id *identity) owner(view owner.View, slot time.Time) (owner.Member, bool) {
	return view.Owner(view.RingKey(id.key, id.foreign, slot), slot)
}

// identify applies settings to a discovered target. The labels that decide the
// key are the discovered ones, so that the key, and with it the owner and the
// slots, does not change with a default; or, with FinalKeys, what comes of them.
func identify(set *settings, found telemetry.Target, foreign owner.Key) (*identity, error) {
	cfg, lb := &set.cfg, labels.NewBuilder(found)
	applyDefaults(lb, cfg)
	addr := lb.Get(model.AddressLabel)
	if addr == "" {
		return nil, errors.New("no address")
	}
	if strings.Contains(addr, "/") {
		return nil, fmt.Errorf("%q is not a valid hostname: write host:port, and what else a URL has into __scheme__ and __metrics_path__",
			status.HideLabels(labels.FromStrings(model.AddressLabel, addr)).Get(model.AddressLabel))
	}
	setDefault(lb, model.InstanceLabel, addr)
	id := &identity{foreign: foreign, url: targetURL(lb, cfg.Params)}
	if err := errors.Join(id.readTimes(lb), id.readFlags(lb)); err != nil {
		return nil, err
	}
	public, err := publicLabels(lb)
	if err != nil {
		return nil, err
	}
	id.Labels, id.key = public, owner.TargetKey(found)
	if cfg.FinalKeys {
		id.key, id.by, id.found = owner.FinalKey(id.url, public), set, found
	}
	id.shown, id.Shown = status.HideLabels(public), status.HidePasswords(id.url)
	id.addr, id.host, id.uri = plainAddress(id.url)
	id.Key = uint64(id.key)
	id.Scope = public.Get(model.JobLabel) + "/" + public.Get(model.InstanceLabel)
	return id, nil
}

// applyDefaults sets the labels that the target does not have. Everything that
// a configuration says about one target goes through a label, so that discovery
// and relabelling can say it for single targets.
func applyDefaults(lb *labels.Builder, cfg *Config) {
	setDefault(lb, model.JobLabel, cfg.JobName)
	setDefault(lb, model.ScrapeIntervalLabel, model.Duration(cfg.Interval).String())
	setDefault(lb, model.ScrapeTimeoutLabel, model.Duration(cfg.Timeout).String())
	setDefault(lb, model.MetricsPathLabel, cfg.MetricsPath)
	setDefault(lb, model.SchemeLabel, cfg.Scheme)
	setDefault(lb, nhcbLabel, strconv.FormatBool(cfg.ConvertToNHCB))
	setDefault(lb, classicLabel, strconv.FormatBool(cfg.ClassicHistograms))
	setDefault(lb, nativeLabel, strconv.FormatBool(cfg.NativeHistograms))
	for name, vals := range cfg.Params {
		if len(vals) > 0 {
			setDefault(lb, model.ParamLabelPrefix+name, vals[0])
		}
	}
}

// setDefault sets a label that is empty or absent.
func setDefault(lb *labels.Builder, name, val string) {
	if lb.Get(name) == "" {
		lb.Set(name, val)
	}
}

// targetURL builds the URL to scrape. A parameter label replaces the first
// value of its parameter.
func targetURL(lb *labels.Builder, configured url.Values) string {
	params := url.Values{}
	for name, vals := range configured {
		params[name] = append([]string(nil), vals...)
	}
	lb.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(params[name]) > 0:
			params[name][0] = l.Value
		default:
			params[name] = []string{l.Value}
		}
	})
	u := url.URL{
		Scheme:   lb.Get(model.SchemeLabel),
		Host:     lb.Get(model.AddressLabel),
		Path:     lb.Get(model.MetricsPathLabel),
		RawQuery: params.Encode(),
	}
	return u.String()
}

// plainAddress takes a URL of plain HTTP apart: where to connect, whom to ask,
// and for what. It returns empty strings for a URL that needs more: another
// scheme, a user, a name that is not ASCII.
func plainAddress(from string) (addr, host, uri string) {
	rest, ok := strings.CutPrefix(from, "http://")
	at := strings.IndexAny(rest, "/?#")
	if !ok || at <= 0 || rest[at] != '/' || strings.Contains(rest, "#") {
		return "", "", ""
	}
	host, uri = rest[:at], rest[at:]
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7F || c == '@' || c == '%' {
			return "", "", ""
		}
	}
	if _, port, err := net.SplitHostPort(host); err == nil && port != "" {
		return host, host, uri
	}
	if strings.HasPrefix(host, "[") || strings.Contains(host, ":") {
		return "", "", ""
	}
	return host + ":80", host, uri
}

// readTimes reads interval and timeout.
func (id *identity) readTimes(lb *labels.Builder) error {
	interval, err := readDuration(lb, model.ScrapeIntervalLabel)
	if err != nil {
		return fmt.Errorf("read scrape interval: %w", err)
	}
	timeout, err := readDuration(lb, model.ScrapeTimeoutLabel)
	if err != nil {
		return fmt.Errorf("read scrape timeout: %w", err)
	}
	if timeout > interval {
		return fmt.Errorf("scrape timeout %s is greater than the scrape interval %s", timeout, interval)
	}
	id.Interval, id.Timeout = interval, timeout
	return nil
}

// readDuration reads a label that holds a positive duration.
func readDuration(lb *labels.Builder, name string) (time.Duration, error) {
	d, err := model.ParseDuration(lb.Get(name))
	if err == nil && d == 0 {
		err = errors.New("it is 0")
	}
	return time.Duration(d), err
}

// readFlags reads the labels about histograms.
func (id *identity) readFlags(lb *labels.Builder) error {
	var errs []error
	read := func(name string) bool {
		v, err := strconv.ParseBool(lb.Get(name))
		if err != nil {
			errs = append(errs, fmt.Errorf("read label %s: %w", name, err))
		}
		return v
	}
	id.NHCB, id.Classic, id.Native = read(nhcbLabel), read(classicLabel), read(nativeLabel)
	return errors.Join(errs...)
}

// publicLabels returns the labels that do not begin with two underscores. It
// refuses a target with a label value that is not UTF-8.
func publicLabels(lb *labels.Builder) (telemetry.Labels, error) {
	all := lb.Labels()
	lb.Reset(labels.EmptyLabels())
	err := all.Validate(func(l labels.Label) error {
		if !model.LabelValue(l.Value).IsValid() {
			return fmt.Errorf("label %s has an invalid value %q", l.Name, l.Value)
		}
		if !strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			lb.Set(l.Name, l.Value)
		}
		return nil
	})
	return lb.Labels(), err
}

// A target is one thing to scrape and what is remembered of it.
type target struct {
	// Guarded by the pool's mu:
	id      *identity
	scraped bool          // there may be something in its memory: a scrape has begun
	served  time.Time     // the last slot that was served here
	away    bool          // slots since then were another node's
	from    string        // node that is to be told how our first scrape goes; empty: nobody
	hold    *walk.Hold    // keeps what is scraped back; nil: nothing does
	cleared time.Time     // the slot from which on its former owner has nothing on its way; zero: not known
	turns   int           // scrapes that run or wait for their turn
	turn    chan struct{} // closed when what was begun last is done; nil: nothing was
	gone    bool          // it was not found any more
	goneAt  time.Time     // when; zero: it is not gone
	ended   int           // slots that have passed since
	staleT  time.Time     // the first of them
	unusual *identity     // that package fetch cannot get; nil: it can, or was not asked

	size        int    // bytes of the last body as it came
	contentType string // of the last body

	mu     sync.Mutex // held while a page is worked on; guards memory
	memory walk.Memory

	pastMu sync.Mutex // guards the fields below
	began  time.Time  // when the last scrape did; zero: never
	past   status.Past
}

// isDone reports whether everything that was begun for t is done. It needs the
// pool's mu.
func (t *target) isDone() bool {
	if t.turn == nil {
		return true
	}
	select {
	case <-t.turn:
		return true
	default:
		return false
	}
}

// forget gives up what is remembered, without marking anything as ended. It
// waits for a scrape that is in flight.
func (t *target) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.memory.Forget()
}
