package components

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/receive"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// Two collectors in a row are a sink: what is appended to the first one's
// prometheus.remote_write comes out of the second one's prometheus.receive_http
// unchanged, in both versions of the protocol.
func TestRemoteWriteIntoReceiveHTTPIsASink(t *testing.T) {
	for _, message := range []string{receive.MessageV1, receive.MessageV2} {
		t.Run(message, func(t *testing.T) {
			sinktest.TestSink(t, func(t *testing.T) sinktest.Fixture { return chain(t, message) })
		})
	}
}

// chain starts both and returns them as one sink.
func chain(t *testing.T, message string) sinktest.Fixture {
	t.Helper()
	out := sinktest.NewRecorder()
	port := freePort(t)
	second := start(t, newReceiveHTTP, fmt.Sprintf(`
		forward_to = [out]
		accepted_remote_write_protobuf_messages = [%q]
		http {
			listen_address = "127.0.0.1"
			listen_port    = %d
		}`, message, port), map[string]any{"out": args.Receiver{Sink: out}})
	awaitHealth(second, component.Healthy, "listening")

	external := 0
	body := func() string {
		return fmt.Sprintf(`
			external_labels = {n = "%d"} // which every series of the test has already
			endpoint {
				url                    = "http://127.0.0.1:%d%s"
				protobuf_message       = %q
				send_native_histograms = true
				queue_config {
					batch_send_deadline = "10ms"
				}
			}`, external, port, receive.Path, message)
	}
	e, _, exports := env(t)
	e.Drain = patience
	var a remoteWriteArguments
	if err := evaluate(t, body(), &a, nil); err != nil {
		t.Fatal(err)
	}
	first, err := newRemoteWrite(e, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- first.Run(ctx) }()
	change := func() {
		external++
		var a remoteWriteArguments
		if err := evaluate(t, body(), &a, nil); err != nil {
			t.Fatal(err)
		}
		if err := first.Update(a); err != nil {
			t.Error(err)
		}
	}
	received := func() []sinktest.Point {
		cancel()
		select {
		case err := <-stopped:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(2 * patience):
			t.Error("remote_write does not stop")
		}
		return out.Points()
	}
	sink := (<-exports).(remoteWriteExports).Receiver.Sink
	return sinktest.Fixture{Sink: telemetry.Sink(sink), Change: change, Received: received}
}
