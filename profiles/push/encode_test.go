package push

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/proto"

	"github.com/divvy-collector/divvy/profiles"
)

// The message is byte for byte what the library of the API makes.
func TestPushIsTheMessageOfTheLibrary(t *testing.T) {
	f := func(id, raw string, lset ...string) {
		t.Helper()
		set := labels.FromStrings(lset...)
		series := &pushv1.RawProfileSeries{Samples: []*pushv1.RawSample{{ID: id, RawProfile: []byte(raw)}}}
		set.Range(func(l labels.Label) {
			series.Labels = append(series.Labels, &typesv1.LabelPair{Name: l.Name, Value: l.Value})
		})
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{series}})
		if err != nil {
			t.Fatal(err)
		}
		got := encodePush(profiles.Profile{ID: id, Raw: []byte(raw)}, set)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %.200x; want %.200x", set, got, want)
		}
		if len(got) != cap(got) {
			t.Errorf("%d bytes were set aside for %d", cap(got), len(got))
		}
	}
	f("id", "raw", "a", "b")
	f("id", strings.Repeat("x", 1<<20), "__name__", "memory", "service_name", "shop")
	f(strings.Repeat("i", 200), "r", "a", strings.Repeat("v", 300))
}

// The log's record of a request to /ingest is read back as it was, and cutting
// it short, or anything else in its place, is no harm.
func FuzzDecodeIngest(f *testing.F) {
	p := profiles.Profile{
		Raw:    []byte("body"),
		Ingest: &profiles.Ingest{Query: url.Values{"from": {"1"}, "x": {"a&b", "c"}}, ContentType: []string{"a/b", "c"}},
	}
	f.Add(encodeIngest(p, labels.FromStrings("__name__", "app")))
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := decodeIngest(b)
		if err == nil && len(in.body) > len(b) {
			t.Errorf("a body of %d bytes in %d", len(in.body), len(b))
		}
	})
}

func TestIngestIsReadBack(t *testing.T) {
	p := profiles.Profile{
		Raw:    []byte("body"),
		Ingest: &profiles.Ingest{Query: url.Values{"from": {"1"}}, ContentType: []string{"a/b", "c"}},
	}
	b := encodeIngest(p, labels.FromStrings("__name__", "app"))
	in, err := decodeIngest(b)
	if err != nil || in.query != "from=1&name=app%7B%7D" || string(in.body) != "body" {
		t.Errorf("%v, %+v", err, in)
	}
	if diff := cmp.Diff(p.Ingest.ContentType, in.contentTypes); diff != "" {
		t.Error(diff)
	}
	for cut := range len(b) - len("body") {
		if _, err := decodeIngest(b[:cut]); err == nil {
			t.Errorf("cut at %d it is read as a whole", cut)
		}
	}
}

func TestClassify(t *testing.T) {
	f := func(status int, want outcome) {
		t.Helper()
		if got := classify(reply{status: status}, true); got != want {
			t.Errorf("%d is %s; want %s", status, got, want)
		}
	}
	f(200, sent)
	f(204, sent)
	f(302, wait)
	f(400, drop)
	f(401, wait)
	f(404, wait)
	f(408, retry)
	f(409, retry)
	f(413, drop)
	f(422, drop)
	f(429, retry)
	f(500, retry)
	f(502, wait)
	f(503, wait)
	f(501, retry)
	if got := classify(reply{err: http.ErrServerClosed}, false); got != wait {
		t.Errorf("no answer is %s", got)
	}
	if got := classify(reply{status: 429}, false); got != drop {
		t.Errorf("429 is %s without retry_on_http_429", got)
	}
}

func TestBackoffGrowsToItsBounds(t *testing.T) {
	e := Endpoint{MinBackoff: time.Second, MaxBackoff: 5 * time.Minute}
	f := func(attempt int, r reply, want time.Duration) {
		t.Helper()
		if got := backoff(e, attempt, r); got != want {
			t.Errorf("after attempt %d of %+v it waits %s; want %s", attempt, r, got, want)
		}
	}
	answered, silent := reply{status: 500}, reply{err: http.ErrServerClosed}
	f(0, answered, time.Second)
	f(3, answered, 8*time.Second)
	f(1000, answered, 5*time.Minute)
	f(3, silent, 8*time.Second)
	f(1000, silent, longestProbe)
	f(0, reply{status: 429, retryAfter: 17 * time.Second}, 17*time.Second)
}

// Everything that is wrong is said, in the words of the configuration.
func TestValidateSaysWhatIsWrong(t *testing.T) {
	f := func(want string, c Config) {
		t.Helper()
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
	one := func(e Endpoint) Config { return Config{Endpoints: []Endpoint{e}} }
	f("", one(Endpoint{URL: "http://a"}))
	f("", one(Endpoint{URL: "https://a/b/"}))
	f("url must be", one(Endpoint{URL: "a:80"}))
	f("there twice", Config{Endpoints: []Endpoint{{URL: "http://a"}, {URL: "http://a"}}})
	f("", Config{Endpoints: []Endpoint{{URL: "http://a"}, {URL: "http://a", Name: "b"}}})
	f("max_backoff_retries", one(Endpoint{URL: "http://a", MaxRetries: -1}))
	f("min_backoff_period", one(Endpoint{URL: "http://a", MinBackoff: time.Hour}))
	f("remote_timeout", one(Endpoint{URL: "http://a", Timeout: -1}))
	f("headers must not set", one(Endpoint{URL: "http://a", Headers: map[string]string{"content-type": "x"}}))
	f("cannot be sent", one(Endpoint{URL: "http://a", Headers: map[string]string{"X Scope": "x"}}))
	f("cannot be sent", one(Endpoint{URL: "http://a", Headers: map[string]string{"X-Scope": "x\ny"}}))
	f("external_labels", Config{ExternalLabels: map[string]string{"a-b": "c"}})
}
