// Package receive takes profiles that others push: by the push API of
// Pyroscope, over the protocols of connect and gRPC, and by the older POST
// /ingest.
//
//	POST /push.v1.PusherService/Push ─► decode ─► profiles ─┐
//	POST /ingest?name=app{tag=value} ─► body as it is ──────┴─► Sink
//
// A request is answered when the sink has taken everything in it. What /ingest
// is sent goes on as it came, its parameters included; only its labels may
// change on the way.
//
// Invariant: nothing of a request is kept in memory after its answer.
// Invariant: no request takes more than maxBody bytes, inflated.
package receive

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/grafana/pyroscope/api/model/labelset"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// Paths that a Receiver answers.
const (
	PathPush   = "/push.v1.PusherService/Push"
	PathIngest = "/ingest"
)

// maxBody is how large a request may be, in bytes, inflated.
const maxBody = 64 << 20

// Config says where profiles go.
type Config struct {
	Next profiles.Sink // nil: they are dropped
	Log  *slog.Logger  // nil: silence; Update ignores it

	// Live is told of the profiles that came, Flow how many did. Both may be nil;
	// Update ignores them.
	Live *live.Feed
	Flow *live.Flow
}

// A Receiver is an http.Handler.
type Receiver struct {
	mux  *http.ServeMux
	log  *slog.Logger
	live *live.Feed
	flow *live.Flow
	next atomic.Pointer[profiles.Sink]
}

// New returns a Receiver.
func New(cfg Config) *Receiver {
	r := &Receiver{mux: http.NewServeMux(), log: cfg.Log, live: cfg.Live, flow: cfg.Flow}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.Update(cfg)
	r.mux.Handle(PathPush, connect.NewUnaryHandler(PathPush, r.push,
		connect.WithCodec(protoCodec{}), connect.WithCodec(jsonCodec{}), connect.WithReadMaxBytes(maxBody)))
	r.mux.HandleFunc("POST "+PathIngest, r.ingest)
	return r
}

// Update replaces where profiles go.
func (r *Receiver) Update(cfg Config) {
	next := cfg.Next
	if next == nil {
		next = profiles.Fanout(nil)
	}
	r.next.Store(&next)
}

// ServeHTTP takes a request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// append passes on what came in one request.
func (r *Receiver) append(ctx context.Context, list []profiles.Profile) error {
	if len(list) == 0 {
		return nil
	}
	if err := (*r.next.Load()).Append(ctx, list); err != nil {
		r.log.Warn("cannot pass on profiles that were pushed", "profiles", len(list), "err", err)
		return err
	}
	r.flow.Add(len(list))
	for _, p := range list {
		r.live.Say(func() string { return fmt.Sprintf("profile: labels=%s, bytes=%d", p.Labels, len(p.Raw)) })
	}
	return nil
}

// push answers a request of the push API.
func (r *Receiver) push(ctx context.Context, req *connect.Request[pushRequest]) (*connect.Response[pushResponse], error) {
	now := time.Now()
	var list []profiles.Profile
	for _, s := range req.Msg.Series {
		lset := withService(s.labels())
		for _, sample := range s.Samples {
			list = append(list, profiles.Profile{Labels: lset, Raw: sample.RawProfile, ID: sample.ID, At: now})
		}
	}
	if err := r.append(ctx, list); err != nil {
		code := connect.CodeInternal
		if errors.Is(err, profiles.ErrLabels) {
			code = connect.CodeInvalidArgument
		}
		return nil, connect.NewError(code, err)
	}
	return connect.NewResponse(&pushResponse{}), nil
}

// ingest answers a request to /ingest.
func (r *Receiver) ingest(w http.ResponseWriter, req *http.Request) {
	body, err := readBody(w, req)
	if err != nil {
		code := http.StatusBadRequest
		if large := new(http.MaxBytesError); errors.As(err, &large) {
			code = http.StatusRequestEntityTooLarge
		}
		http.Error(w, err.Error(), code)
		return
	}
	query := req.URL.Query()
	lset, err := parseName(query.Get("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	err = r.append(req.Context(), []profiles.Profile{{
		Labels: withService(lset), Raw: body, At: time.Now(),
		Ingest: &profiles.Ingest{Query: query, ContentType: req.Header.Values("Content-Type")},
	}})
	switch {
	case errors.Is(err, profiles.ErrLabels):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// readBody returns the body of a request, inflated if that is said of it.
func readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	in := http.MaxBytesReader(w, req.Body, maxBody)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("inflate body: %w", err)
		}
		in = http.MaxBytesReader(w, z, maxBody)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return body, nil
}

// parseName returns the labels in the parameter name, as in app{tag=value}.
func parseName(name string) (telemetry.Labels, error) {
	if name == "" {
		return labels.EmptyLabels(), errors.New("give the application in the parameter name, as in name=app{tag=value}")
	}
	set, err := labelset.Parse(name)
	if err != nil {
		return labels.EmptyLabels(), fmt.Errorf("parse parameter name: %w", err)
	}
	return labels.FromMap(set.Labels()), nil
}

// withService returns lset with the label service_name. Where there is none, the
// name is what senders call the service; else it is kept as app_name.
func withService(lset telemetry.Labels) telemetry.Labels {
	b := labels.NewBuilder(lset)
	name := lset.Get(profiles.LabelName)
	if lset.Has(profiles.LabelService) {
		b.Set("app_name", name)
	} else {
		b.Set(profiles.LabelService, name)
	}
	return b.Labels()
}
