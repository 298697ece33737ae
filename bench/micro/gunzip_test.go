package micro

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"

	"github.com/divvy-collector/divvy/metrics/scrape/inflate"
)

// A resetter is a reader of gzip that can be used again.
type resetter interface {
	io.Reader
	Reset(io.Reader) error
}

// unpack returns a decoder that reads whole bodies with r.
func unpack(r resetter) func(dst, src []byte) ([]byte, error) {
	var in bytes.Reader
	return func(dst, src []byte) ([]byte, error) {
		in.Reset(src)
		if err := r.Reset(&in); err != nil {
			return nil, err
		}
		for n := 0; ; {
			more, err := r.Read(dst[n:])
			n += more
			switch {
			case err == io.EOF:
				return dst[:n], nil
			case err != nil:
				return nil, err
			}
		}
	}
}

// A decoder unpacks a body into dst, which has room for the text and a byte.
type decoder struct {
	name   string
	decode func(dst, src []byte) ([]byte, error)
}

// decoders returns what is compared.
func decoders() []decoder {
	own := new(inflate.Decoder)
	return []decoder{
		{"standard", unpack(new(gzip.Reader))},
		{"klauspost", unpack(new(kgzip.Reader))},
		{"own", func(dst, src []byte) ([]byte, error) { return own.Gzip(dst, src, inflate.Bounds{Bytes: len(dst)}) }},
	}
}

// zip compresses text as exporters do.
func zip(tb testing.TB, text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkGunzip unpacks the pages of ten targets.
func BenchmarkGunzip(b *testing.B) {
	const targets = 10
	for _, corpus := range []struct {
		name string
		kube bool
	}{{"application", false}, {"kube", true}} {
		var bodies [][]byte
		size, most := 0, 0
		for _, page := range pages(targets, corpus.kube) {
			bodies = append(bodies, zip(b, page))
			size += len(page)
			most = max(most, len(page))
		}
		dst := make([]byte, most+1)
		for _, d := range decoders() {
			b.Run(corpus.name+"/"+d.name, func(b *testing.B) {
				b.SetBytes(int64(size))
				measure(b, "sample", targets*perTarget, func() {
					for _, body := range bodies {
						if _, err := d.decode(dst, body); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

func TestDecodersAgree(t *testing.T) {
	page := pages(1, false)[0]
	for _, d := range decoders() {
		got, err := d.decode(make([]byte, len(page)+1), zip(t, page))
		if err != nil || !bytes.Equal(got, page) {
			t.Errorf("%s: %d bytes, %v; want %d", d.name, len(got), err, len(page))
		}
	}
}
