package micro

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// samples is how many a request carries: those of ten targets.
const samples = 10 * perTarget

// series calls visit with the labels and the value of each sample of a request.
func series(tb testing.TB, visit func(labels.Labels, float64)) {
	for i, page := range pages(samples/perTarget, false) {
		p := textparse.NewPromParser(page, labels.NewSymbolTable(), false)
		for {
			entry, err := p.Next()
			if err != nil {
				break
			}
			if entry != textparse.EntrySeries {
				continue
			}
			var of labels.Labels
			p.Labels(&of)
			_, _, value := p.Series()
			b := labels.NewBuilder(of)
			b.Set("instance", "t000"+strconv.Itoa(i))
			b.Set("job", "fleet")
			visit(b.Labels(), value)
		}
	}
}

// request1 returns a request of remote write 1.0.
func request1(tb testing.TB) []byte {
	var r prompb.WriteRequest
	series(tb, func(of labels.Labels, v float64) {
		r.Timeseries = append(r.Timeseries, prompb.TimeSeries{
			Labels:  prompb.FromLabels(of, nil),
			Samples: []prompb.Sample{{Value: v, Timestamp: 1_700_000_000_123}},
		})
	})
	body, err := r.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// request2 returns the same in remote write 2.0.
func request2(tb testing.TB) []byte {
	table := writev2.NewSymbolTable()
	var r writev2.Request
	series(tb, func(of labels.Labels, v float64) {
		r.Timeseries = append(r.Timeseries, writev2.TimeSeries{
			LabelsRefs: table.SymbolizeLabels(of, nil),
			Samples:    []writev2.Sample{{Value: v, Timestamp: 1_700_000_000_123}},
		})
	})
	r.Symbols = table.Symbols()
	body, err := r.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// BenchmarkSnappy compresses requests in pieces, and reports how large a sample
// becomes.
func BenchmarkSnappy(b *testing.B) {
	for _, request := range []struct {
		name string
		body []byte
	}{{"1.0", request1(b)}, {"2.0", request2(b)}} {
		for _, piece := range []int{4 << 10, 16 << 10, 64 << 10, len(request.body)} {
			name := fmt.Sprintf("%dKiB", piece>>10)
			if piece == len(request.body) {
				name = "whole"
			}
			of := func(encoder string, encode func(dst, src []byte) []byte) {
				b.Run(fmt.Sprintf("%s/%s/%s", request.name, name, encoder), func(b *testing.B) {
					dst := make([]byte, snappy.MaxEncodedLen(piece))
					size := 0
					b.SetBytes(int64(len(request.body)))
					measure(b, "sample", samples, func() {
						size = 0
						for rest := request.body; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
							size += len(encode(dst, rest[:min(piece, len(rest))]))
						}
					})
					b.ReportMetric(float64(size)/samples, "B/sample")
				})
			}
			of("s2", s2.EncodeSnappy)
			of("golang", snappy.Encode)
		}
	}
}

func TestEncodersAgree(t *testing.T) {
	for name, body := range map[string][]byte{"1.0": request1(t), "2.0": request2(t)} {
		for encoder, encoded := range map[string][]byte{"s2": s2.EncodeSnappy(nil, body), "golang": snappy.Encode(nil, body)} {
			if got, err := snappy.Decode(nil, encoded); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s by %s is not what it was: %v", name, encoder, err)
			}
		}
	}
}
