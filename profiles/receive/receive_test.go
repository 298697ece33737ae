package receive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"google.golang.org/protobuf/proto"

	"github.com/divvy-collector/divvy/profiles"
)

// A recorder is a sink that keeps what it was given.
type recorder struct {
	mu   sync.Mutex
	got  []profiles.Profile
	fail error
}

func (r *recorder) Append(_ context.Context, list []profiles.Profile) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, list...)
	return r.fail
}

// request is what the library sends: two series, of one and two profiles.
func request() *pushv1.PushRequest {
	pair := func(name, value string) *typesv1.LabelPair { return &typesv1.LabelPair{Name: name, Value: value} }
	return &pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{
		{
			Labels:  []*typesv1.LabelPair{pair("__name__", "memory"), pair("service_name", "shop")},
			Samples: []*pushv1.RawSample{{RawProfile: []byte("one"), ID: "1"}},
		},
		{
			Labels:      []*typesv1.LabelPair{pair("__name__", "cart")},
			Samples:     []*pushv1.RawSample{{RawProfile: []byte("two")}, {RawProfile: []byte("three")}},
			Annotations: []*typesv1.ProfileAnnotation{{Key: "k", Value: "v"}},
		},
	}}
}

// Clients of the push API are understood, whatever protocol they speak.
func TestPushIsTakenInEveryProtocol(t *testing.T) {
	f := func(name string, opts ...connect.ClientOption) {
		t.Run(name, func(t *testing.T) {
			next := &recorder{}
			srv := httptest.NewUnstartedServer(New(Config{Next: next}))
			srv.EnableHTTP2 = true
			srv.StartTLS()
			defer srv.Close()
			client := connect.NewClient[pushv1.PushRequest, pushv1.PushResponse](srv.Client(), srv.URL+PathPush, opts...)
			if _, err := client.CallUnary(t.Context(), connect.NewRequest(request())); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range next.got {
				got = append(got, p.Labels.String()+" "+p.ID+" "+string(p.Raw))
			}
			want := []string{
				`{__name__="memory", app_name="memory", service_name="shop"} 1 one`,
				`{__name__="cart", service_name="cart"}  two`, `{__name__="cart", service_name="cart"}  three`,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			next.fail = errors.New("full")
			if _, err := client.CallUnary(t.Context(), connect.NewRequest(request())); connect.CodeOf(err) != connect.CodeInternal {
				t.Errorf("got %v", err)
			}
			next.fail = profiles.ErrLabels
			if _, err := client.CallUnary(t.Context(), connect.NewRequest(request())); connect.CodeOf(err) != connect.CodeInvalidArgument {
				t.Errorf("got %v", err)
			}
		})
	}
	f("connect")
	f("connect gzip", connect.WithSendGzip())
	f("connect json", connect.WithProtoJSON())
	f("grpc", connect.WithGRPC())
	f("grpc-web", connect.WithGRPCWeb())
}

// post sends a request to a receiver and returns the status.
func post(t *testing.T, next profiles.Sink, target string, body []byte, headers ...string) int {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	New(Config{Next: next}).ServeHTTP(rec, req)
	return rec.Code
}

func TestIngestIsTakenAsItIs(t *testing.T) {
	next := &recorder{}
	code := post(t, next, "/ingest?name=shop.cart{zone=a,service_name=s}&from=1&until=11&sampleRate=100", []byte("a;b 3\n"), "Content-Type", "text/plain")
	if code != http.StatusOK || len(next.got) != 1 {
		t.Fatalf("status %d, %d profiles", code, len(next.got))
	}
	p := next.got[0]
	if p.Labels.String() != `{__name__="shop.cart", app_name="shop.cart", service_name="s", zone="a"}` || string(p.Raw) != "a;b 3\n" {
		t.Errorf("got %s %q", p.Labels, p.Raw)
	}
	if q := p.Ingest.Query; q.Get("from") != "1" || q.Get("until") != "11" || q.Get("sampleRate") != "100" || p.Ingest.ContentType[0] != "text/plain" {
		t.Errorf("got %+v", p.Ingest)
	}
}

func TestIngestRefusesWhatItCannotRead(t *testing.T) {
	f := func(want int, target string, body []byte, headers ...string) {
		t.Helper()
		if got := post(t, &recorder{}, target, body, headers...); got != want {
			t.Errorf("%s: status %d; want %d", target, got, want)
		}
	}
	f(http.StatusOK, "/ingest?name=a", nil)
	f(http.StatusBadRequest, "/ingest", nil)
	f(http.StatusBadRequest, "/ingest?name=a%20b", nil)
	f(http.StatusBadRequest, "/ingest?name=a", []byte("x"), "Content-Encoding", "gzip")
	f(http.StatusNotFound, "/other?name=a", nil)
	f(http.StatusRequestEntityTooLarge, "/ingest?name=a", make([]byte, maxBody+1))
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, maxBody+1))
	_ = z.Close()
	f(http.StatusRequestEntityTooLarge, "/ingest?name=a", bomb.Bytes(), "Content-Encoding", "gzip")
	f(http.StatusUnsupportedMediaType, PathPush, nil, "Content-Type", "text/plain")
	f(http.StatusBadRequest, PathPush, []byte("\x0a\xff"), "Content-Type", "application/proto")
	if got := post(t, &recorder{fail: profiles.ErrLabels}, "/ingest?name=a", nil); got != http.StatusBadRequest {
		t.Errorf("labels that nobody takes: status %d", got)
	}
	if got := post(t, &recorder{fail: errors.New("full")}, "/ingest?name=a", nil); got != http.StatusInternalServerError {
		t.Errorf("a full log: status %d", got)
	}
}

// The decoder reads what the library writes, and agrees with it about bytes that
// nobody wrote.
func FuzzDecodePush(f *testing.F) {
	whole, err := proto.Marshal(request())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("\x0a\x02\x12\x00\x10\x05"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ours pushRequest
		var theirs pushv1.PushRequest
		err, oracle := protoCodec{}.Unmarshal(b, &ours), proto.Unmarshal(b, &theirs)
		if oracle != nil {
			return // ours does not look into what it does not need
		}
		if err != nil {
			t.Fatalf("the library reads it: %v", err)
		}
		var got, want strings.Builder
		for _, s := range ours.Series {
			for _, l := range s.Labels {
				got.WriteString(l.Name + "=" + l.Value + " ")
			}
			for _, p := range s.Samples {
				got.WriteString(p.ID + ":" + string(p.RawProfile) + "\n")
			}
		}
		for _, s := range theirs.Series {
			for _, l := range s.Labels {
				want.WriteString(l.Name + "=" + l.Value + " ")
			}
			for _, p := range s.Samples {
				want.WriteString(p.ID + ":" + string(p.RawProfile) + "\n")
			}
		}
		if got.String() != want.String() {
			t.Errorf("got %q; want %q", got.String(), want.String())
		}
	})
}
