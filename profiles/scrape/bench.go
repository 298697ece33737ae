package scrape

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/divvy-collector/divvy/profiles/scrape/wire"
)

// A bench is the memory for looking at one profile. There are as many as
// processors, so that memory is bounded by what is being worked on. One
// goroutine may use it at a time.
type bench struct {
	source   bytes.Reader
	gzip     *gzip.Reader // nil: not needed yet
	buffered *bufio.Reader
	inflated bytes.Buffer
	differ   wire.Differ
	packed   bytes.Buffer
	packer   *gzip.Writer
}

// keptBytes is the size up to which a bench keeps its buffers.
const keptBytes = 4 << 20

func newBench() *bench {
	packer, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic("BUG: make a gzip writer: " + err.Error())
	}
	return &bench{buffered: bufio.NewReaderSize(nil, 32<<10), packer: packer}
}

// release gives up what an unusually large profile has left.
func (b *bench) release() {
	b.source.Reset(nil)
	if b.inflated.Cap() > keptBytes {
		b.inflated = bytes.Buffer{}
	}
	if b.packed.Cap() > keptBytes {
		b.packed = bytes.Buffer{}
	}
}

// open returns raw, inflated if it is compressed. Beyond limit bytes it fails.
func (b *bench) open(raw []byte, limit int64) (io.Reader, error) {
	b.source.Reset(raw)
	if len(raw) < 2 || raw[0] != 0x1f || raw[1] != 0x8b {
		return &bounded{r: &b.source, left: limit}, nil
	}
	if b.gzip == nil {
		b.gzip = new(gzip.Reader)
	}
	if err := b.gzip.Reset(&b.source); err != nil {
		return nil, fmt.Errorf("inflate profile: %w", err)
	}
	return &bounded{r: b.gzip, left: limit}, nil
}

// check looks whether raw is a profile, whole and not too large.
func (b *bench) check(raw []byte, limit int64) (samples, size int, err error) {
	r, err := b.open(raw, limit)
	if err != nil {
		return 0, 0, err
	}
	b.buffered.Reset(r)
	return wire.Check(b.buffered)
}

// diff makes the delta of raw. The delta's profile is compressed, and valid
// until the bench is used again.
func (b *bench) diff(raw []byte, limit int64, base wire.Baseline, d diffing) (delta wire.Delta, size int, err error) {
	r, err := b.open(raw, limit)
	if err != nil {
		return delta, 0, err
	}
	b.inflated.Reset()
	if _, err := b.inflated.ReadFrom(r); err != nil {
		return delta, 0, err
	}
	size = b.inflated.Len()
	delta, err = b.differ.Diff(b.inflated.Bytes(), base, d.counters, d.comment)
	if err != nil || delta.Profile == nil {
		return delta, size, err
	}
	b.packed.Reset()
	b.packer.Reset(&b.packed)
	b.packer.Write(delta.Profile) // a Buffer takes everything
	b.packer.Close()
	delta.Profile = b.packed.Bytes()
	return delta, size, nil
}

// diffing says how a delta is made.
type diffing struct {
	counters []string
	comment  string
}

var errProfileLimit = errors.New("profile is larger than allowed once it is inflated")

// A bounded reader fails beyond so many bytes. Its errors say what was done.
type bounded struct {
	r    io.Reader
	left int64
}

// Read reads what is left.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errProfileLimit
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("profile is truncated")
	case err != nil && !errors.Is(err, io.EOF):
		err = fmt.Errorf("inflate profile: %w", err)
	}
	return n, err
}
