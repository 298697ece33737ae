package inflate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	fast "github.com/klauspost/compress/gzip"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// page is an exposition of n series, of an application or of pods.
func page(n int, kube bool) []byte {
	fleet := testbed.NewFleet(testbed.FleetConfig{Series: n, Kube: kube})
	w := httptest.NewRecorder()
	fleet.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/t/0/metrics", http.NoBody))
	return w.Body.Bytes()
}

// zip returns text as one gzip member.
func zip(text []byte, level int) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		panic(err)
	}
	_, _ = z.Write(text)
	_ = z.Close()
	return b.Bytes()
}

// fastZip is zip by another encoder.
func fastZip(text []byte, level int) []byte {
	var b bytes.Buffer
	z, err := fast.NewWriterLevel(&b, level)
	if err != nil {
		panic(err)
	}
	_, _ = z.Write(text)
	_ = z.Close()
	return b.Bytes()
}

// maxTest bounds the output in tests.
const maxTest = 1 << 24

// twin is what the standard library makes of src.
func twin(src []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxTest))
}

// check compares what the decoder makes of src with what its twin does.
func check(t *testing.T, d *Decoder, src []byte) {
	t.Helper()
	want, wantErr := twin(src)
	got, err := d.Gzip(nil, src, Bounds{Bytes: maxTest})
	switch {
	case len(want) == maxTest && errors.Is(err, ErrLimit):
	case (err == nil) != (wantErr == nil):
		t.Fatalf("error %v; compress/gzip has %v", err, wantErr)
	case err == nil && !bytes.Equal(got, want):
		t.Fatalf("%d bytes that differ from the %d of compress/gzip", len(got), len(want))
	}
}

func TestTheSameAsTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 50_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	skewed := make([]byte, 50_000) // few bytes are frequent: codes of all lengths
	for i := range skewed {
		skewed[i] = byte(r.ExpFloat64() * 9)
	}
	var d Decoder
	step := 1
	if testing.Short() {
		step = 4
	}
	for name, text := range map[string][]byte{
		"empty": nil, "byte": []byte("x"), "app": page(500, false), "kube": page(500, true),
		"zeros": make([]byte, 100_000), "noise": noise, "skewed": skewed,
	} {
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level += step {
			t.Run(fmt.Sprintf("%s/%d", name, level), func(t *testing.T) {
				for _, z := range [][]byte{zip(text, level), fastZip(text, level)} {
					check(t, &d, z)
					check(t, &d, append(bytes.Clone(z), z...))
					check(t, &d, append(bytes.Clone(z), 0))
					check(t, &d, z[:r.IntN(len(z))])
					for range 4 {
						broken := bytes.Clone(z)
						broken[r.IntN(len(z))] ^= 1 << r.IntN(8)
						check(t, &d, broken)
					}
				}
			})
		}
	}
}

func TestCutAnywhereIsRefused(t *testing.T) {
	var d Decoder
	z := zip(page(30, false), gzip.DefaultCompression)
	z = append(z, zip([]byte("x 1\n"), gzip.NoCompression)...)
	for n := range len(z) {
		check(t, &d, z[:n])
	}
	check(t, &d, z)
}

func TestEveryHeaderIsRead(t *testing.T) {
	var d Decoder
	plain := zip([]byte("up 1\n"), 6)
	f := func(want string, flags byte, fields string) {
		t.Helper()
		head := append(bytes.Clone(plain[:10]), fields...)
		head[3] = flags
		if flags&hasChecksum != 0 && want == "up 1\n" {
			head = binary.LittleEndian.AppendUint16(head, uint16(crc32.ChecksumIEEE(head)))
		}
		src := append(head, plain[10:]...)
		check(t, &d, src)
		got, err := d.Gzip(nil, src, Bounds{Bytes: 100})
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != want {
			t.Errorf("flags %#x, %q: %q; want %q", flags, fields, got, want)
		}
	}
	f("up 1\n", 0, "")
	f("up 1\n", 1, "") // a hint that it is text
	f("up 1\n", hasName, "page.txt\x00")
	f("up 1\n", hasComment|hasName, "page.txt\x00no comment\x00")
	f("up 1\n", hasExtra, "\x03\x00abc")
	f("up 1\n", hasExtra|hasName|hasComment|hasChecksum, "\x00\x00n\x00c\x00")
	f("invalid gzip header", hasChecksum, "no")
	f("invalid gzip header", hasName, string(bytes.Repeat([]byte("n"), 600)))
	f("up 1\n", hasName, string(bytes.Repeat([]byte("n"), 511))+"\x00")
	f("invalid gzip header", hasName, string(bytes.Repeat([]byte("n"), 512))+"\x00")
	f("unexpected EOF", hasExtra, "\xff\xff")
}

func TestTheLimitIsNotPassed(t *testing.T) {
	var d Decoder
	bomb := zip(make([]byte, 1<<20), 9)
	f := func(want error, limit int, src []byte) {
		t.Helper()
		out, err := d.Gzip(nil, src, Bounds{Bytes: limit})
		if !errors.Is(err, want) {
			t.Errorf("limit of %d: error %v; want %v", limit, err, want)
		}
		if room := cap(out); want != nil && room > 2*limit+1<<17 {
			t.Errorf("limit of %d: %d bytes of memory", limit, room)
		}
	}
	f(ErrLimit, 1000, bomb)
	f(ErrLimit, 100_000, bomb)
	f(ErrLimit, 1<<20, bomb)
	f(nil, 1<<20+1, bomb)
	f(ErrLimit, 5, zip([]byte("up 1\n"), 0))
	f(nil, 6, zip([]byte("up 1\n"), 0))
	f(ErrLimit, 9, append(zip([]byte("up 1\n"), 6), zip([]byte("up 1\n"), 0)...))
}

func TestNothingIsInflatedBeyondTheDeadline(t *testing.T) {
	var d Decoder
	bomb := zip(make([]byte, 1<<20), 9)
	f := func(want error, deadline time.Time) {
		t.Helper()
		out, err := d.Gzip(nil, bomb, Bounds{Bytes: 1 << 30, Deadline: deadline})
		if !errors.Is(err, want) || want != nil && len(out) > stretch+stretch/2 {
			t.Errorf("%d bytes, error %v; want %v", len(out), err, want)
		}
	}
	f(nil, time.Time{})
	f(nil, time.Now().Add(time.Hour))
	f(ErrLate, time.Now())
}

func TestWhatWasThereDoesNotMatter(t *testing.T) {
	text := page(50, false)
	src := append(zip(text, 6), zip(text, 1)...)
	want := append(bytes.Clone(text), text...)
	var d Decoder
	for n := range 250 {
		dst := bytes.Repeat([]byte("*"), n*97)
		got, err := d.Gzip(dst, src, Bounds{Bytes: maxTest})
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("with %d bytes of memory: another result, error %v", cap(dst), err)
		}
	}
}

// The tables of a block are not taken for those of the next, also where one made
// no sense.
func TestTablesAreThoseOfTheBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	bodies := [][]byte{zip([]byte("x 1\n"), 9), zip([]byte("y 22\n"), 9), zip(page(20, false), 9), zip(page(30, true), 1)}
	var d Decoder
	for range 2000 {
		src := bytes.Clone(bodies[r.IntN(len(bodies))])
		if r.IntN(3) == 0 {
			src[10+r.IntN(min(60, len(src)-10))] ^= 1 << r.IntN(8)
		}
		check(t, &d, src)
	}
}

func TestNoMemoryIsTakenForTheSecondBody(t *testing.T) {
	text := page(1000, false)
	src := zip(text, 6)
	var d Decoder
	var dst []byte
	n := testing.AllocsPerRun(10, func() {
		dst, _ = d.Gzip(dst, src, Bounds{Bytes: maxTest})
	})
	if n > 0 || len(dst) != len(text) || cap(dst) > len(text)+len(text)/8 {
		t.Errorf("%g allocations, %d of %d bytes used for %d", n, len(dst), cap(dst), len(text))
	}
}
