package scrape

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/prometheus/common/config"

	"github.com/divvy-collector/divvy/metrics/scrape/fetch"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
)

// settings are a Config with what is made of it once. They are immutable, but
// for what they point to; a scrape uses those that were in force when it began.
type settings struct {
	cfg            Config
	generation     uint64 // another one: series may have other labels than before
	client         *http.Client
	accept         []string
	acceptEncoding []string
	log            *slog.Logger
	metrics        *metrics
	jobLabel       string // of metrics
	depot          *fetch.Depot
	plain          bool        // http needs nothing of what the library's client is for
	header         string      // lines of a request that package fetch makes
	failures       *failureLog // nil: none
}

// newSettings makes the settings that follow before, or the first ones.
func newSettings(cfg Config, before *settings) (*settings, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &settings{
		cfg:            cfg,
		accept:         []string{accept(cfg.Protocols, cfg.EscapingScheme)},
		acceptEncoding: []string{"identity"},
		log:            cfg.Log,
	}
	if cfg.Compression {
		s.acceptEncoding = []string{"gzip"}
	}
	s.cfg.DefaultType = cfg.Fallback.mediaType()
	s.plain = asksNothing(&cfg)
	s.header = "User-Agent: " + userAgent + "\r\nAccept: " + s.accept[0] +
		"\r\nAccept-Encoding: " + s.acceptEncoding[0] + "\r\n"
	if before != nil && reflect.DeepEqual(before.cfg.HTTP, cfg.HTTP) {
		s.client = before.client
	} else {
		client, err := newClient(&cfg)
		if err != nil {
			return nil, err
		}
		s.client = client
	}
	s.inherit(before)
	return s, nil
}

// join makes s use what pools share.
func (s *settings) join(c *Commons) {
	s.cfg.Commons, s.metrics, s.depot = c, c.metrics, c.depot
	s.jobLabel = cmp.Or(c.name, s.cfg.JobName)
}

// inherit takes over what outlives a change of the configuration.
func (s *settings) inherit(before *settings) {
	if before == nil {
		s.failures = newFailureLog(s.cfg.FailureLog, s.log)
		return
	}
	s.join(before.cfg.Commons)
	s.failures = before.failures
	if s.cfg.FailureLog != before.cfg.FailureLog {
		s.failures = newFailureLog(s.cfg.FailureLog, s.log)
	}
	s.generation = before.generation
	if !sameSeries(s.cfg, before.cfg) {
		s.generation++
	}
}

const userAgent = "divvy"

// newClient returns the HTTP client of a pool. It keeps connections alive.
//
// The library's client traces each connection, which takes 10 KB of memory per
// target. A pool that asks for none of what the library is for gets a plain
// transport instead.
func newClient(cfg *Config) (*http.Client, error) {
	if asksNothing(cfg) {
		return plainClient(cfg), nil
	}
	var opts []config.HTTPClientOption
	if cfg.Dial != nil {
		opts = append(opts, config.WithDialContextFunc(config.DialContextFunc(cfg.Dial)))
	}
	return config.NewClientFromConfig(cfg.HTTP, cfg.JobName, opts...)
}

// asksNothing reports whether cfg asks for no authentication, proxy or TLS settings.
func asksNothing(cfg *Config) bool {
	plain := config.HTTPClientConfig{FollowRedirects: cfg.HTTP.FollowRedirects, EnableHTTP2: cfg.HTTP.EnableHTTP2}
	return reflect.DeepEqual(cfg.HTTP, plain)
}

// dialer returns what connects to targets.
func dialer(cfg *Config) fetch.Dial {
	if cfg.Dial != nil {
		return cfg.Dial
	}
	return (&net.Dialer{}).DialContext
}

// plainClient returns a client without authentication, proxy or TLS settings,
// with the library's limits on connections. Requests are small, and bodies are
// read past the buffer, so the buffers, of which every connection keeps its
// own, are small too.
func plainClient(cfg *Config) *http.Client {
	client := &http.Client{Transport: &http.Transport{
		DialContext:         dialer(cfg),
		DisableCompression:  true,
		ForceAttemptHTTP2:   cfg.HTTP.EnableHTTP2,
		MaxIdleConns:        20000,
		MaxIdleConnsPerHost: 1000,
		IdleConnTimeout:     5 * time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
		WriteBufferSize:     1 << 10,
		ReadBufferSize:      1 << 10,
	}}
	if !cfg.HTTP.FollowRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client
}

// sameSeries reports whether a and b give series the same labels and meaning.
// What they need not have in common is left out of the comparison; a field that
// somebody adds and forgets here makes series be resolved once too often, which
// is harmless.
func sameSeries(a, b Config) bool {
	for _, c := range []*Config{&a, &b} {
		c.Interval, c.Timeout, c.HTTP = time.Second, time.Second, config.HTTPClientConfig{}
		c.Limits, c.TargetLimit = walk.Limits{BucketFactor: c.Limits.BucketFactor}, 0
		c.Compression, c.Protocols, c.FailureLog = false, nil, ""
		c.View, c.Lease, c.Log, c.Registry, c.Dial, c.Commons = nil, nil, nil, nil, nil, nil
		c.Tell, c.Reaches, c.Live, c.Flow = nil, nil, nil, nil
	}
	return reflect.DeepEqual(a, b)
}
