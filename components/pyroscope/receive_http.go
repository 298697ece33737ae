package pyroscope

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/divvy-collector/divvy/components/listen"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/profiles/receive"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// ReceiveHTTP is the kind pyroscope.receive_http.
func ReceiveHTTP() component.Kind {
	return component.Of[receiveArguments, component.None]("pyroscope.receive_http", newReceiveHTTP).Shows(live.Profiles)
}

// receiveArguments are the arguments of pyroscope.receive_http.
type receiveArguments struct {
	HTTP listen.HTTP  `alloy:"http,block,optional"`
	GRPC *listen.GRPC `alloy:"grpc,block,optional"` // no effect: see listen.GRPC

	// GracefulShutdown is how long requests under way may take when the
	// component stops or listens anew.
	GracefulShutdown time.Duration `alloy:"graceful_shutdown_timeout,attr,optional"`

	// ForwardTo gets everything; a request is answered when all of them have
	// taken it.
	ForwardTo []Receiver `alloy:"forward_to,attr"`

	// DebugInfoTimeout is for debug information of executables, which is not
	// taken. It has no effect.
	DebugInfoTimeout time.Duration `alloy:"debug_info_upload_timeout,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *receiveArguments) SetToDefault() {
	*a = receiveArguments{GracefulShutdown: 30 * time.Second, DebugInfoTimeout: 2 * time.Minute}
	a.HTTP.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *receiveArguments) Validate() error {
	errs := []error{a.HTTP.Validate()}
	if a.GracefulShutdown < 0 {
		errs = append(errs, errors.New("graceful_shutdown_timeout must not be negative"))
	}
	return errors.Join(errs...)
}

// server returns what concerns the server. It always speaks HTTP/2, for senders
// that use gRPC.
func (a *receiveArguments) server() listen.Settings {
	s := listen.Settings{HTTP: a.HTTP, Graceful: a.GracefulShutdown}
	s.HTTP.HTTP2.Enabled = true
	return s
}

// A receiveHTTP is a server of its own around a receiver.
type receiveHTTP struct {
	env      component.Env
	receiver *receive.Receiver
	server   *listen.Server
}

// newReceiveHTTP listens to nothing yet: Run does.
func newReceiveHTTP(env component.Env, a receiveArguments) (component.Instance[receiveArguments], error) {
	r := &receiveHTTP{env: env}
	r.receiver = receive.New(r.config(a))
	m, err := listen.NewMetrics(env.Registry, "pyroscope_receive_http", map[string]string{
		receive.PathIngest: "ingest", receive.PathPush: "push_v1_pusherservice_push",
	})
	if err != nil {
		return nil, fmt.Errorf("register server metrics: %w", err)
	}
	if r.server, err = listen.New(env.Log, a.server(), m, r.receiver); err != nil {
		return nil, err
	}
	r.warn(a)
	return r, nil
}

// config returns what concerns the receiver.
func (r *receiveHTTP) config(a receiveArguments) receive.Config {
	return receive.Config{Next: profiles.Fanout(Sinks(a.ForwardTo)), Log: r.env.Log, Live: r.env.Live, Flow: r.env.Flow}
}

// warn says what of the arguments has no effect.
func (r *receiveHTTP) warn(a receiveArguments) {
	if a.GRPC != nil {
		r.env.Log.Warn("the block grpc has no effect: gRPC is answered at the port of the block http")
	}
}

// Update listens anew only if the server's arguments changed; requests under
// way end where they began.
func (r *receiveHTTP) Update(a receiveArguments) error {
	if err := r.server.Update(a.server()); err != nil {
		return err
	}
	r.warn(a)
	r.receiver.Update(r.config(a))
	return nil
}

// Run serves until ctx is done.
func (r *receiveHTTP) Run(ctx context.Context) error {
	r.server.Run(ctx)
	return nil
}

// Health is that of the server: unhealthy while it cannot listen.
func (r *receiveHTTP) Health() component.Health { return r.server.Health() }
