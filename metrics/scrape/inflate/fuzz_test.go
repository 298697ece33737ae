package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"testing"
)

// FuzzDeflate compares a deflate stream, without checksums that would refuse
// nearly all that a fuzzer makes of it.
func FuzzDeflate(f *testing.F) {
	for _, text := range [][]byte{[]byte("up 1\n"), page(20, false), page(60, true), make([]byte, 5000)} {
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
			z := zip(text, level)
			f.Add(z[10 : len(z)-8])
		}
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, src []byte) {
		d.bounds, d.out, d.w, d.start = Bounds{Bytes: 1 << 20}, nil, 0, 0
		d.read(src, 0)
		err := d.stream()
		if errors.Is(err, ErrLimit) {
			return
		}
		rest := bytes.NewReader(src)
		want, wantErr := io.ReadAll(flate.NewReader(rest))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v; compress/flate has %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(d.out[:d.w], want) {
			t.Errorf("%d bytes that differ from the %d of compress/flate", d.w, len(want))
		}
		if end := len(src) - rest.Len(); d.offset() != end {
			t.Errorf("the stream ends at %d; compress/flate read %d", d.offset(), end)
		}
	})
}

// FuzzGzip compares what comes of any bytes, and of a body that is those bytes
// compressed.
func FuzzGzip(f *testing.F) {
	for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
		z := zip(page(20, false), level)
		f.Add(z)
		f.Add(append(z, zip([]byte("up 1\n"), gzip.NoCompression)...))
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, src []byte) {
		check(t, &d, src)
		check(t, &d, zip(src, len(src)%10))
		check(t, &d, fastZip(src, len(src)%10))
	})
}
