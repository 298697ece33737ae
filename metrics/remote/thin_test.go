package remote

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/divvy-collector/divvy/telemetry"
)

func TestThin(t *testing.T) {
	got := make(chan *prompb.WriteRequest, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		raw, err := snappy.Decode(nil, b)
		if err != nil {
			t.Error(err)
		}
		req := &prompb.WriteRequest{}
		if err := req.Unmarshal(raw); err != nil {
			t.Error(err)
		}
		got <- req
	}))
	defer srv.Close()
	w, err := New(Config{Dir: t.TempDir(), Endpoints: []Endpoint{{URL: srv.URL}}, Drain: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	h := w.Resolve(labels.FromStrings("__name__", "up", "job", "x"), nil)
	if err := w.Append(&telemetry.Batch{Epoch: w.Epoch(), Samples: []telemetry.Sample{{Handle: h, T: 1000, V: 1}}}); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-got:
		t.Log(r.String())
	case <-time.After(5 * time.Second):
		t.Error("nothing")
	}
	cancel()
	<-done
}
