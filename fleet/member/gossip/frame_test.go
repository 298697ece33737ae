package gossip

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFrameIsInItsShorterForm(t *testing.T) {
	f := func(n int, header string) {
		t.Helper()
		payload := bytes.Repeat([]byte{'x'}, n)
		got := appendFrame([]byte("before"), payload)
		if diff := cmp.Diff("before"+header+string(payload), string(got)); diff != "" {
			t.Errorf("%d bytes: (-want +got)\n%s", n, diff)
		}
		if p := (packet{buf: appendFrame(nil, payload)}); p.payload() != n {
			t.Errorf("payload() = %d, want %d", p.payload(), n)
		}
	}
	f(0, "\xcc\x00\x00")
	f(1, "\xcc\x00\x01")
	f(math.MaxUint16, "\xcc\xff\xff")
	f(math.MaxUint16+1, "\xcd\x00\x01\x00\x00")
}

func TestPacketsOfABody(t *testing.T) {
	f := func(body string, wantErr error, want ...string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body)), iotest.DataErrReader(strings.NewReader(body))} {
			frames, got := newFrameReader(r, 100), []string(nil)
			var err error
			for err == nil {
				var p []byte
				if p, err = frames.packet(); err == nil {
					got = append(got, string(p))
				}
			}
			if !errors.Is(err, wantErr) {
				t.Errorf("%q: error %v, want %v", body, err, wantErr)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: (-want +got)\n%s", body, diff)
			}
		}
	}
	long := strings.Repeat("l", 100)
	f("", io.EOF)
	f("\xcc\x00\x02ab\xcc\x00\x00\xcd\x00\x00\x00\x01c", io.EOF, "ab", "", "c")
	f("\xcd\x00\x00\x00\x64"+long, io.EOF, long)
	f("\xcd\x00\x00\x00\x65"+long+"m", errFrame)
	f("\xcd\xff\xff\xff\xff", errFrame)
	f("GET / HTTP/1.1", errFrame)
	f("\xcc\x00\x01a\xcb", errFrame, "a")
	f("\xcc", io.ErrUnexpectedEOF)
	f("\xcd\x00\x00", io.ErrUnexpectedEOF)
	f("\xcc\x00\x03ab", io.ErrUnexpectedEOF)
	f("\xcc\x00\x03", io.ErrUnexpectedEOF)
}

// A header may claim anything; memory follows the bytes that came.
func TestClaimedLengthCostsNothing(t *testing.T) {
	body := append([]byte("\xcd\x01\x40\x00\x00"), make([]byte, 5000)...) // claims 20 MiB
	claimed := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		frames := newFrameReader(bytes.NewReader(body), 20<<20)
		frames.claim = func(n int) bool { claimed += n; return true }
		if _, err := frames.packet(); err != io.ErrUnexpectedEOF {
			t.Fatalf("error %v, want %v", err, io.ErrUnexpectedEOF)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100*100_000 {
		t.Errorf("100 headers cost %d bytes", n)
	}
	if claimed > 100*2*(len(body)+4096) {
		t.Errorf("claimed %d bytes", claimed)
	}
}

func TestNoRoomForAPacket(t *testing.T) {
	frames := newFrameReader(bytes.NewReader(appendFrame(nil, make([]byte, 100_000))), 20<<20)
	room := 50_000
	frames.claim = func(n int) bool { room -= n; return room >= 0 }
	if _, err := frames.packet(); err != errMemory {
		t.Errorf("error %v, want %v", err, errMemory)
	}
}

// A body cut at any byte yields whole packets and then the right error, and a
// prefix of the stream.
func TestBodyCutAnywhere(t *testing.T) {
	var body []byte
	var want [][]byte
	ends := map[int]bool{0: true}
	for _, n := range []int{3, 0, 1, 40, 5} {
		p := bytes.Repeat([]byte{byte('a' + n)}, n)
		want = append(want, p)
		body = appendFrame(body, p)
		ends[len(body)] = true
	}
	for cut := range len(body) + 1 {
		frames := newFrameReader(bytes.NewReader(body[:cut]), 64)
		for i := 0; ; i++ {
			p, err := frames.packet()
			if err != nil {
				if whole := err == io.EOF; whole != ends[cut] {
					t.Errorf("cut at %d: %v", cut, err)
				}
				break
			}
			if !bytes.Equal(p, want[i]) {
				t.Errorf("cut at %d: packet %d is %q", cut, i, p)
			}
		}
		got, err := io.ReadAll(newFrameReader(bytes.NewReader(body[:cut]), 64))
		if !bytes.HasPrefix(bytes.Join(want, nil), got) || (err == nil) != ends[cut] {
			t.Errorf("cut at %d: read %q, %v", cut, got, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\xcc\x00\x02ab\xcd\x00\x00\x00\x01c"))
	f.Add([]byte("\xcd\xff\xff\xff\xff"))
	f.Add([]byte("\xcc\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		var again, stream []byte
		frames := newFrameReader(iotest.HalfReader(bytes.NewReader(body)), 1<<16)
		var err error
		for {
			var p []byte
			if p, err = frames.packet(); err != nil {
				break
			}
			again, stream = appendFrame(again, p), append(stream, p...)
		}
		if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, errFrame) {
			t.Errorf("error %v", err)
		}
		got, err2 := io.ReadAll(newFrameReader(bytes.NewReader(body), 1<<16))
		if !bytes.HasPrefix(got, stream) || (err == io.EOF) != (err2 == nil) {
			t.Errorf("packets %q (%v) but stream %q (%v)", stream, err, got, err2)
		}
		if len(again) > 0 {
			if p, err := newFrameReader(bytes.NewReader(again), 1<<16).packet(); err != nil {
				t.Errorf("own frame not read: %q, %v", p, err)
			}
		}
	})
}
