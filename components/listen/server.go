// Package listen is the HTTP server of a component that has one of its own: its
// arguments, the server itself, which follows them, and its metrics.
//
// A Server listens anew when its arguments change, and tries again each second
// while it cannot. Requests under way are answered where they began.
//
// Invariant: a Server that does not listen says why in its Health.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// A Server listens for a component. While it cannot, for instance because a
// predecessor still has the port, it tries again each second.
type Server struct {
	log     *slog.Logger
	handler http.Handler
	metrics *Metrics
	args    *cell.Cell[Settings]

	mu    sync.Mutex
	state component.Health
}

// Settings is what a Server is told by the arguments.
type Settings struct {
	HTTP     HTTP
	Graceful time.Duration // for requests under way when it stops
}

// listenAgain is the time between two attempts to listen.
const listenAgain = time.Second

// New returns a Server of h. It reports TLS files that cannot be used.
func New(log *slog.Logger, s Settings, m *Metrics, h http.Handler) (*Server, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return &Server{log: log, handler: m.observe(h), metrics: m, args: cell.New(s)}, nil
}

// check reports files that cannot be read or used.
func (s Settings) check() error {
	if s.HTTP.TLS == nil {
		return nil
	}
	_, err := s.HTTP.TLS.config()
	return err
}

// Update listens anew if s differs. An error has changed nothing.
func (v *Server) Update(s Settings) error {
	if err := s.check(); err != nil {
		return err
	}
	if !reflect.DeepEqual(s, v.args.Load()) {
		v.args.Set(s)
	}
	return nil
}

// Run serves until ctx is done and requests under way are answered.
func (v *Server) Run(ctx context.Context) {
	for ctx.Err() == nil {
		s, changed := v.args.Get()
		err := v.serve(ctx, s, changed)
		if err == nil {
			continue
		}
		if v.setState(component.Unhealthy, err.Error()) {
			v.log.Error("cannot serve, trying again", "every", listenAgain, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(listenAgain):
		}
	}
}

// serve listens until ctx is done or the arguments have changed; then it
// finishes what is under way. An error says why it cannot listen.
func (v *Server) serve(ctx context.Context, s Settings, changed <-chan struct{}) error {
	srv, err := v.httpServer(s)
	if err != nil {
		return err
	}
	address := net.JoinHostPort(s.HTTP.ListenAddress, strconv.Itoa(s.HTTP.ListenPort))
	var conf net.ListenConfig
	listener, err := conf.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	v.setState(component.Healthy, "listening on "+listener.Addr().String())
	// Beyond the limit connections wait in the kernel, they are not refused.
	v.metrics.limit.Set(float64(s.HTTP.ConnLimit))
	if s.HTTP.ConnLimit > 0 {
		listener = netutil.LimitListener(listener, s.HTTP.ConnLimit)
	}
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if srv.TLSConfig != nil {
			failed <- srv.ServeTLS(listener, "", "")
		} else {
			failed <- srv.Serve(listener)
		}
	})
	select {
	case <-ctx.Done():
	case <-changed:
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	}
	stop(srv, s.Graceful)
	return nil
}

// stop waits at most d for requests under way.
func stop(srv *http.Server, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close()
	}
}

// httpServer returns the server for s, which does not listen yet.
func (v *Server) httpServer(s Settings) (*http.Server, error) {
	h2 := s.HTTP.HTTP2
	srv := &http.Server{
		Handler:      v.handler,
		ReadTimeout:  s.HTTP.ReadTimeout,
		WriteTimeout: s.HTTP.WriteTimeout,
		IdleTimeout:  s.HTTP.IdleTimeout,
		ConnState:    v.metrics.connection,
		ErrorLog:     slog.NewLogLogger(v.log.Handler(), slog.LevelDebug),
		Protocols:    new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          int(h2.MaxStreams),
			MaxDecoderHeaderTableSize:     int(h2.MaxDecoderTable),
			MaxEncoderHeaderTableSize:     int(h2.MaxEncoderTable),
			MaxReadFrameSize:              int(h2.MaxReadFrame),
			MaxReceiveBufferPerConnection: int(h2.MaxUploadPerConnection),
			MaxReceiveBufferPerStream:     int(h2.MaxUploadPerStream),
			SendPingTimeout:               h2.ReadIdleTimeout,
			PingTimeout:                   h2.PingTimeout,
			WriteByteTimeout:              max(h2.WriteByteTimeout, 0),
			PermitProhibitedCipherSuites:  h2.PermitProhibited,
		},
	}
	// Unencrypted HTTP/2 is for clients that begin with it; there is no
	// upgrade from HTTP/1.
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(s.HTTP.TLS != nil)
	srv.Protocols.SetUnencryptedHTTP2(h2.Enabled)
	if s.HTTP.TLS == nil {
		return srv, nil
	}
	first, err := s.HTTP.TLS.config()
	if err != nil {
		return nil, err
	}
	first.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		next, err := s.HTTP.TLS.config()
		if err != nil {
			v.log.Error("cannot use TLS files", "err", err)
			return nil, errors.New("TLS files cannot be used")
		}
		return next, nil
	}
	srv.TLSConfig = first
	return srv, nil
}

// setState reports whether the state differs from the last.
func (v *Server) setState(s component.HealthState, message string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	news := s != v.state.State || message != v.state.Message
	v.state = component.Health{State: s, Message: message, Since: time.Now()}
	return news
}

// Health tells whether it listens, and where.
func (v *Server) Health() component.Health {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}
