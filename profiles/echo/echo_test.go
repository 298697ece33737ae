package echo

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/profiles"
)

func TestLineSumsUpAProfile(t *testing.T) {
	p := &profile.Profile{
		SampleType:    []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DurationNanos: int64(15 * time.Second),
		Sample:        []*profile.Sample{{Value: []int64{1, 10}}, {Value: []int64{2, 20}}},
	}
	var gzipped, plain bytes.Buffer
	if err := p.Write(&gzipped); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteUncompressed(&plain); err != nil {
		t.Fatal(err)
	}
	f := func(raw []byte, in *profiles.Ingest, want string) {
		t.Helper()
		var out strings.Builder
		err := New(&out).Append(t.Context(), []profiles.Profile{{
			Labels: labels.FromStrings("__name__", "cpu"), Raw: raw, At: time.Unix(0, 0), Ingest: in,
		}})
		if err != nil || !strings.HasPrefix(out.String(), `1970-01-01T00:00:00Z {__name__="cpu"} `) || !strings.Contains(out.String(), want) {
			t.Errorf("got %q, %v; want %q", out.String(), err, want)
		}
	}
	f(gzipped.Bytes(), nil, " bytes, 15s, 2 samples: samples=3 count, cpu=30 nanoseconds\n")
	f(plain.Bytes(), nil, " bytes, 15s, 2 samples: samples=3 count, cpu=30 nanoseconds\n")
	f([]byte("<html>"), nil, "6 bytes, not a profile: ")
	f(gzipped.Bytes()[:20], nil, "20 bytes, not a profile: ")
	f([]byte("a;b 1"), &profiles.Ingest{Query: url.Values{}}, "pushed to /ingest: format folded\n")
	f([]byte("x"), &profiles.Ingest{Query: url.Values{"format": {"jfr"}}}, `pushed to /ingest: format "jfr"`)
}
