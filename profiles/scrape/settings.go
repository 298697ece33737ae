package scrape

import (
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/prometheus/common/config"
)

// settings are a Config with what is made of it once. They are immutable, but
// for what they point to; a profile is taken by those that were in force when it
// began.
type settings struct {
	cfg     Config
	client  *http.Client
	log     *slog.Logger
	metrics *metrics
	bodies  *bodies
}

// newSettings makes the settings that follow before, or the first ones.
func newSettings(cfg Config, before *settings) (*settings, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &settings{cfg: cfg, log: cfg.Log}
	if before != nil {
		s.metrics, s.bodies = before.metrics, before.bodies
	} else {
		s.bodies = newBodies()
	}
	if before != nil && reflect.DeepEqual(before.cfg.HTTP, cfg.HTTP) {
		s.client = before.client
		return s, nil
	}
	var err error
	s.client, err = newClient(&cfg)
	return s, err
}

const userAgent = "divvy"

// newClient returns the HTTP client of a pool.
//
// A slot of a target is several requests at the same time, of which the next
// slot needs no connection but one: a pool keeps one per target, with small
// buffers. The library's client keeps all of them, with traces, which takes a
// hundred kilobytes of memory per target; only a pool that asks for what the
// library is for gets it.
func newClient(cfg *Config) (*http.Client, error) {
	plain := config.HTTPClientConfig{FollowRedirects: cfg.HTTP.FollowRedirects, EnableHTTP2: cfg.HTTP.EnableHTTP2}
	if !reflect.DeepEqual(cfg.HTTP, plain) {
		var opts []config.HTTPClientOption
		if cfg.Dial != nil {
			opts = append(opts, config.WithDialContextFunc(config.DialContextFunc(cfg.Dial)))
		}
		return config.NewClientFromConfig(cfg.HTTP, cfg.JobName, opts...)
	}
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		DisableCompression:  true,
		ForceAttemptHTTP2:   cfg.HTTP.EnableHTTP2,
		MaxIdleConns:        20000,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     5 * time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
		WriteBufferSize:     1 << 10,
		ReadBufferSize:      1 << 10,
	}}
	if !cfg.HTTP.FollowRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client, nil
}
