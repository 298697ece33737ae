package components

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/components/listen"
	"github.com/divvy-collector/divvy/metrics/receive"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
)

// receiveArguments are the arguments of prometheus.receive_http.
type receiveArguments struct {
	HTTP listen.HTTP  `alloy:"http,block,optional"`
	GRPC *listen.GRPC `alloy:"grpc,block,optional"` // no effect: see listen.GRPC

	// GracefulShutdown is how long requests under way may take when the
	// component stops or listens anew.
	GracefulShutdown time.Duration `alloy:"graceful_shutdown_timeout,attr,optional"`

	// ForwardTo gets everything; a request is acknowledged when all of them
	// have committed it.
	ForwardTo []args.Receiver `alloy:"forward_to,attr"`

	// AppendMetadata passes on what senders say about types, units and help.
	AppendMetadata bool `alloy:"append_metadata,attr,optional"`

	// TypeAndUnit makes them labels of the series, of version 2.0 only: in
	// version 1.0 they come apart from the series.
	TypeAndUnit bool `alloy:"enable_type_and_unit_labels,attr,optional"`

	// Messages are the versions of the protocol that are taken.
	Messages []string `alloy:"accepted_remote_write_protobuf_messages,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *receiveArguments) SetToDefault() {
	*a = receiveArguments{
		GracefulShutdown: 30 * time.Second,
		Messages:         []string{receive.MessageV1},
	}
	a.HTTP.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *receiveArguments) Validate() error {
	errs := []error{a.HTTP.Validate()}
	if a.GracefulShutdown < 0 {
		errs = append(errs, errors.New("graceful_shutdown_timeout must not be negative"))
	}
	if len(a.Messages) == 0 {
		errs = append(errs, errors.New("accepted_remote_write_protobuf_messages must name at least one message"))
	}
	if err := (receive.Config{Messages: a.Messages}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("accepted_remote_write_protobuf_messages: %w", err))
	}
	return errors.Join(errs...)
}

// server returns what concerns the server.
func (a *receiveArguments) server() listen.Settings {
	return listen.Settings{HTTP: a.HTTP, Graceful: a.GracefulShutdown}
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
	var err error
	if r.receiver, err = receive.New(r.config(a), telemetry.Fanout(args.Sinks(a.ForwardTo))); err != nil {
		return nil, err
	}
	m, err := listen.NewMetrics(env.Registry, "prometheus_receive_http", map[string]string{receive.Path: "api_v1_metrics_write"})
	if err != nil {
		return nil, fmt.Errorf("register server metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(receive.Path, r.receiver)
	if r.server, err = listen.New(env.Log, a.server(), m, mux); err != nil {
		return nil, err
	}
	r.warn(a)
	return r, nil
}

// config returns what concerns the receiver.
func (r *receiveHTTP) config(a receiveArguments) receive.Config {
	return receive.Config{
		Name:     r.env.ID,
		Messages: a.Messages,
		Metadata: a.AppendMetadata,
		Typed:    a.TypeAndUnit,
		Log:      r.env.Log,
		Registry: r.env.Registry,
		Live:     r.env.Live,
		Flow:     r.env.Flow,
	}
}

// warn says what of the arguments has no effect.
func (r *receiveHTTP) warn(a receiveArguments) {
	if a.GRPC != nil {
		r.env.Log.Warn("the block grpc has no effect: nothing is offered over gRPC")
	}
}

// Update listens anew only if the server's arguments changed; requests under
// way end where they began.
func (r *receiveHTTP) Update(a receiveArguments) error {
	if err := r.server.Update(a.server()); err != nil {
		return err
	}
	r.warn(a)
	return r.receiver.Update(r.config(a), telemetry.Fanout(args.Sinks(a.ForwardTo)))
}

// Run serves; the receiver outlives the last request.
func (r *receiveHTTP) Run(ctx context.Context) error {
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { r.receiver.Run(beside) })
	r.server.Run(ctx)
	return nil
}

// Health is that of the server: unhealthy while it cannot listen.
func (r *receiveHTTP) Health() component.Health { return r.server.Health() }
