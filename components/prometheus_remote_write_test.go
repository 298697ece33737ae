package components

import (
	"reflect"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/remote"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// Every argument of an endpoint reaches the engine.
func TestRemoteWriteHandsItsArgumentsOn(t *testing.T) {
	var a remoteWriteArguments
	err := evaluate(t, `
		external_labels = {cluster = "a"}
		endpoint {
			name                   = "main"
			url                    = "https://user@host/push"
			remote_timeout         = "7s"
			headers                = {"X-Scope-OrgID" = "team"}
			send_exemplars         = false
			send_native_histograms = true
			round_robin_dns        = true
			protobuf_message       = "io.prometheus.write.v2.Request"
			queue_config {
				capacity             = 1
				min_shards           = 2
				max_shards           = 3
				max_samples_per_send = 4
				min_backoff          = "5ms"
				max_backoff          = "6ms"
				retry_on_http_429    = false
				sample_age_limit     = "7h"
			}
			metadata_config {
				send                 = false
				send_interval        = "8m"
				max_samples_per_send = 9
			}
			write_relabel_config {
				source_labels = ["a"]
				action        = "drop"
			}
			sigv4 {
				region = "r"
			}
		}
		wal {
			max_bytes = 10
		}`, &a, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := a.config(component.Env{Dir: "dir"})
	e := c.Endpoints[0]
	if c.ExternalLabels.Get("cluster") != "a" || c.Dir != "dir" || len(e.Rules) != 1 || e.SigV4.Region != "r" {
		t.Errorf("config %+v", c)
	}
	want := remote.Endpoint{
		Name: "main", URL: "https://user@host/push", Timeout: 7e9, Headers: map[string]string{"X-Scope-OrgID": "team"},
		NativeHistograms: true, RoundRobinDNS: true, Message: remote.Message2, MaxBytes: 10,
		Queue: remote.Queue{
			Capacity: 1, MinLanes: 2, MaxLanes: 3, MaxSamples: 4, MinBackoff: 5e6, MaxBackoff: 6e6, SampleMaxAge: 7 * 3600e9,
		},
		Metadata: remote.Metadata{Interval: 8 * 60e9, MaxEntries: 9},
	}
	e.Rules, e.SigV4, e.HTTP = nil, nil, want.HTTP
	if !reflect.DeepEqual(e, want) {
		t.Errorf("endpoint %+v; want %+v", e, want)
	}
}

func TestRemoteWriteRefusesWhatCannotWork(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		var a remoteWriteArguments
		err := evaluate(t, body, &a, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant %q", body, err, want)
		}
	}
	endpoint := func(more string) string { return "endpoint {\nurl = \"http://a/\"\n" + more + "\n}" }
	f("endpoint {\n}", `missing required attribute "url"`)
	f("endpoint {\nurl = \"a\"\n}", "url must be http://host/path")
	f(endpoint(`protobuf_message = "x"`), `use "prometheus.WriteRequest"`)
	f(endpoint("queue_config {\nmin_shards = 3\nmax_shards = 2\n}"), "use 1 ≤ min_shards ≤ max_shards")
	f(endpoint("basic_auth {\nusername = \"a\"\n}\nsigv4 {\n}"), "at most one of")
	f(endpoint("sigv4 {\naccess_key = \"a\"\n}"), "Secret Key")
	f(endpoint("azuread {\n}"), "must provide")
	f(endpoint("headers = {\"content-type\" = \"x\"}"), "divvy sets it itself")
	f(endpoint("headers = {\"X Scope\" = \"x\"}"), "cannot be sent")
	f(endpoint("write_relabel_config {\naction = \"nothing\"\n}"), "unknown action")
	f(endpoint("")+"\n"+endpoint(""), "give each endpoint a name of its own")
	f("wal {\ntruncate_frequency = \"0s\"\n}", "truncate_frequency must be greater than 0")
	f("wal {\nmin_keepalive_time = \"9h\"\n}", "min_keepalive_time must be smaller")
}

// The page of the component shows the backlog, and no password.
func TestRemoteWriteShowsItsBacklog(t *testing.T) {
	r := start(t, newRemoteWrite, `
		endpoint {
			name = "main"
			url  = "http://user:hidden@127.0.0.1:1/push"
		}`, nil)
	text, err := syntax.Marshal(r.instance.(component.Debugger).DebugInfo())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `name            = "main"`) || strings.Contains(string(text), "hidden") {
		t.Errorf("page:\n%s", text)
	}
}

// Dashboards find every metric under the name that they know.
func TestRemoteWriteMetricsHaveTheirNames(t *testing.T) {
	r := start(t, newRemoteWrite, `
		endpoint {
			name = "main"
			url  = "http://127.0.0.1:1/push"
		}`, nil)
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range families {
		there[f.GetName()] = true
	}
	for _, name := range strings.Fields(`
		storage_bytes_total storage_enqueue_retries_total storage_exemplars_dropped_total
		storage_exemplars_failed_total storage_exemplars_in_total storage_exemplars_pending
		storage_exemplars_retried_total storage_exemplars_total storage_max_samples_per_send
		storage_metadata_bytes_total storage_metadata_failed_total storage_metadata_retried_total
		storage_metadata_total storage_queue_highest_sent_timestamp_seconds
		storage_samples_dropped_total storage_samples_failed_total storage_samples_in_total
		storage_samples_pending storage_samples_retries_total storage_samples_total
		storage_sent_batch_duration_seconds storage_shard_capacity storage_shards_desired
		storage_shards_max storage_shards_min storage_shards
		write_wal_exemplars_appended_total write_wal_out_of_order_samples_total
		write_wal_metadata_updates_total write_wal_samples_appended_total
		write_wal_storage_active_series write_wal_storage_created_series_total
		write_wal_storage_deleted_series write_wal_storage_removed_series_total`) {
		if !there["prometheus_remote_"+name] {
			t.Errorf("prometheus_remote_%s is not there", name)
		}
	}
}

// Receivers that stay the same do not make every series be resolved again.
func TestRelabelKeepsItsEpochWithItsReceivers(t *testing.T) {
	a, b := sinktest.NewRecorder(), sinktest.NewRecorder()
	vars := map[string]any{"a": receiverOf(a), "b": receiverOf(b)}
	r := start(t, newPrometheusRelabel, `forward_to = [a, b]`, vars)
	sink := r.instance.(*prometheusRelabel).rules
	before := sink.Epoch()
	if err := r.update(`forward_to = [a, b]`); err != nil || sink.Epoch() != before {
		t.Errorf("equal arguments: %v, epoch changed: %v", err, sink.Epoch() != before)
	}
	if err := r.update(`forward_to = [b]`); err != nil || sink.Epoch() == before {
		t.Errorf("another receiver: %v, epoch changed: %v", err, sink.Epoch() != before)
	}
}

func receiverOf(r *sinktest.Recorder) args.Receiver { return args.Receiver{Sink: r} }

// Two ways to authenticate are refused with a reason, together with what else is
// wrong with the endpoint.
func TestRemoteWriteRefusesTwoWaysToAuthenticate(t *testing.T) {
	var a remoteWriteArguments
	err := evaluate(t, `
		endpoint {
			url              = "http://host/push"
			protobuf_message = "v3"
			bearer_token     = "x"
			basic_auth {
				username = "u"
			}
		}`, &a, nil)
	for _, want := range []string{"remove all but one of basic_auth, bearer_token", `protobuf_message is "v3"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}
