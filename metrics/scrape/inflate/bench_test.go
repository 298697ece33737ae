package inflate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"

	fast "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// BenchmarkGzip inflates expositions with this decoder and with two others
// that read a stream into the same memory. The last is what the same pages take
// as zstd, compressed as the Go client library would.
func BenchmarkGzip(b *testing.B) {
	for _, c := range []struct {
		n    int
		kube bool
	}{{50, false}, {1000, false}, {1000, true}, {20_000, true}} {
		n := c.n
		text := page(n, c.kube)
		z := zip(text, gzip.DefaultCompression)
		dst := make([]byte, 0, len(text)+1<<10)
		src := bytes.NewReader(z)
		run := func(name string, f func() int) {
			b.Run(fmt.Sprintf("%s/kube=%t/series=%d", name, c.kube, n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if f() != len(text) {
						b.Fatal("another length")
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/sample")
				b.ReportMetric(float64(len(z))/float64(n), "B/sample")
			})
		}
		var d Decoder
		run("ours", func() int {
			out, err := d.Gzip(dst, z, Bounds{Bytes: maxTest})
			if err != nil {
				b.Fatal(err)
			}
			return len(out)
		})
		run("klauspost", stream(new(fast.Reader), src, z, dst))
		run("standard", stream(new(gzip.Reader), src, z, dst))

		enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
		dec, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		z = enc.EncodeAll(text, nil)
		run("zstd", func() int {
			out, err := dec.DecodeAll(z, dst[:0])
			if err != nil {
				b.Fatal(err)
			}
			return len(out)
		})
		dec.Close()
	}
}

// stream returns what reads z to its end into dst.
func stream(r interface {
	io.Reader
	Reset(io.Reader) error
}, src *bytes.Reader, z, dst []byte,
) func() int {
	return func() int {
		src.Reset(z)
		if err := r.Reset(src); err != nil {
			panic(err)
		}
		n := 0
		for {
			m, err := r.Read(dst[n:cap(dst)])
			n += m
			if err != nil {
				return n
			}
		}
	}
}
