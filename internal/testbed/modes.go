package testbed

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// A Mode is how a target behaves.
type Mode struct {
	Kind  Kind          // empty: OK
	Delay time.Duration // before the answer begins; 0: at once
	Until time.Duration // the delay is anything from Delay to Until, another each time; 0: Delay
}

// pause returns how long scrape seq of target n waits for its answer.
func (m Mode) pause(n, seq uint64) time.Duration {
	if m.Until <= m.Delay {
		return m.Delay
	}
	return m.Delay + time.Duration(rand.New(rand.NewPCG(n, seq)).Int64N(int64(m.Until-m.Delay)))
}

// A Kind is a way to answer a scrape.
type Kind string

// Ways to answer a scrape. Only those marked "counted" give an answer that a
// collector is expected to deliver.
const (
	OK        Kind = "ok"        // counted: the same series every time
	Churn     Kind = "churn"     // counted: a tenth of the series is new every time
	Shuffled  Kind = "shuffled"  // counted: the lines come in another order every time
	Unsteady  Kind = "unsteady"  // counted: shuffled, and a tenth of the series is new every three times
	Down      Kind = "down"      // the connection is closed without an answer
	Failing   Kind = "failing"   // status 500
	Drip      Kind = "drip"      // one byte every 50 ms
	Endless   Kind = "endless"   // a body without an end
	Bomb      Kind = "bomb"      // 1 GiB of one line in a megabyte of gzip
	Garbage   Kind = "garbage"   // bytes that are no exposition
	Duplicate Kind = "duplicate" // the same series twice with different values
)

const (
	textType        = "text/plain; version=0.0.4; charset=utf-8"
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

	// zipVariants is how many differing bodies a target compresses ahead.
	zipVariants = 4
)

// serve answers one scrape.
func (t *target) serve(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	seq, mode := t.begin()
	if !pause(r.Context(), mode.pause(t.n, seq)) {
		return
	}
	switch mode.Kind {
	case OK, Churn, Shuffled, Unsteady, "":
		if err := t.answer(w, r, seq, mode.Kind); err == nil {
			t.end(seq, at, r.Header.Get(NodeHeader))
		}
	case Down:
		panic(http.ErrAbortHandler)
	case Failing:
		http.Error(w, "told to fail", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", textType)
		t.misbehave(w, r, mode.Kind)
	}
}

// pause waits for d and reports whether ctx still wants the answer.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// answer writes a full exposition that ends in the count of scrapes.
func (t *target) answer(w http.ResponseWriter, r *http.Request, seq uint64, k Kind) error {
	t.render.Lock()
	defer t.render.Unlock()
	openMetrics := t.cfg.OpenMetrics && strings.Contains(r.Header.Get("Accept"), "openmetrics")
	h := w.Header()
	h.Set("Content-Type", textType)
	if openMetrics {
		h.Set("Content-Type", openMetricsType)
	}
	var text []byte // before the tail
	switch tail := t.tail(nil, seq, openMetrics); {
	case k != OK && k != "":
		t.body.patch(seq)
		t.buf = append(t.arrange(t.buf[:0], seq, k), tail...)
	case t.cfg.Gzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		h.Set("Content-Encoding", "gzip")
		text, t.buf = t.zip(seq), appendStored(t.buf[:0], tail)
	default:
		t.body.patch(seq)
		text, t.buf = t.body.text, tail
	}
	h.Set("Content-Length", strconv.Itoa(len(text)+len(t.buf)))
	if _, err := w.Write(text); err != nil {
		return err
	}
	_, err := w.Write(t.buf)
	return err
}

// tail appends the count of scrapes, in a family of its own.
func (t *target) tail(dst []byte, seq uint64, openMetrics bool) []byte {
	dst = append(dst, familyHead("testbed_scrapes_total", "counter", "Scrapes of this target.", t.cfg.OpenMetrics)...)
	dst = fmt.Appendf(dst, "testbed_scrapes_total{target=%q} %d\n", t.name, seq)
	if openMetrics {
		dst = append(dst, "# EOF\n"...)
	}
	return dst
}

// arrange appends the body as kind k shows it.
func (t *target) arrange(dst []byte, seq uint64, k Kind) []byte {
	b := t.body
	switch k {
	case Churn:
		dst = append(dst, b.text...)
		for i := range len(b.lines) / 10 {
			dst = fmt.Appendf(dst, "app_churn{build=\"%d\",number=\"%d\"} 1\n", seq, i)
		}
	case Shuffled, Unsteady:
		for _, i := range rand.New(rand.NewPCG(seq, t.n)).Perm(len(b.lines) - 1) {
			line := b.text[b.lines[i]:b.lines[i+1]]
			line = line[:bytes.IndexByte(line, '\n')+1] // without the next family's head
			if k == Unsteady && i%10 == 0 {
				name := bytes.IndexByte(line, '{') + 1
				dst = append(dst, line[:name]...)
				dst = fmt.Appendf(dst, "build=\"%d\",", (seq+t.n)/3)
				line = line[name:]
			}
			dst = append(dst, line...)
		}
	default:
		dst = append(dst, b.text...)
	}
	return dst
}

// zip returns the body of scrape seq as one gzip member, out of a few that
// are made once. It needs render.
func (t *target) zip(seq uint64) []byte {
	if t.zipped == nil {
		for i := range zipVariants {
			t.body.patch(uint64(i))
			var out bytes.Buffer
			z := gzip.NewWriter(&out)
			z.Write(t.body.text)
			z.Close()
			t.zipped = append(t.zipped, out.Bytes())
		}
	}
	return t.zipped[seq%zipVariants]
}

// appendStored appends text as a gzip member that is not compressed:
//
//	| header [10] | 1 | length uint16 | ^length | text | crc32 | length uint32 |
//
// A gzip file is a run of members, so that the part which changes with every
// scrape follows a part that was compressed long before.
func appendStored(dst, text []byte) []byte {
	dst = append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(text)))
	dst = binary.LittleEndian.AppendUint16(dst, ^uint16(len(text)))
	dst = append(dst, text...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(text))
	return binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
}

// misbehave writes what no collector should swallow.
func (t *target) misbehave(w http.ResponseWriter, r *http.Request, k Kind) {
	switch k {
	case Drip:
		drip(w, r, t.body.text)
	case Endless:
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := fmt.Fprintf(w, "endless{number=\"%d\"} 1\n", i); err != nil {
				return
			}
		}
	case Bomb:
		w.Header().Set("Content-Encoding", "gzip")
		explode(w)
	case Garbage:
		io.WriteString(w, "garbage{label=\"\xff\xfe\"} 1\n}{ not a metric\n")
	case Duplicate:
		io.WriteString(w, "twice{a=\"b\"} 1\ntwice{a=\"b\"} 2\n")
	}
}

// drip writes text one byte at a time until the client gives up.
func drip(w http.ResponseWriter, r *http.Request, text []byte) {
	for i := range text {
		if !pause(r.Context(), 50*time.Millisecond) {
			return
		}
		w.Write(text[i : i+1])
		http.NewResponseController(w).Flush()
	}
}

// explode writes a gibibyte as gzip: a thousand times the same member, so that
// it costs the target nothing.
func explode(w io.Writer) {
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	io.WriteString(z, strings.Repeat("bomb{inside=\"gzip\"} 1\n", 1<<20/22))
	z.Close()
	for range 1 << 10 {
		if _, err := w.Write(member.Bytes()); err != nil {
			return
		}
	}
}
