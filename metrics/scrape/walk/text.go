package walk

import (
	"bytes"
	"errors"
	"hash/maphash"

	"github.com/divvy-collector/divvy/metrics/exposition"
	"github.com/divvy-collector/divvy/telemetry"
)

// errForeign is returned by text for a body that package exposition does not
// read. It is looked for only when a line is not the expected one: a line that
// is has been read before and has no such byte.
var errForeign = errors.New("body has a NUL byte")

// text walks a body in the text format. The body ends in a newline.
func (w *Walk) text(body []byte) error {
	checked := false
	for len(body) > 0 {
		body = w.steady(body)
		if len(body) == 0 {
			break
		}
		if w.at < len(w.old) {
			if n := w.hit(&w.old[w.at], body); n > 0 {
				body = body[n:]
				continue
			}
			if w.wrong && !w.fresh {
				return errWrong
			}
		}
		if !checked && bytes.IndexByte(body, 0) >= 0 {
			return errForeign
		}
		checked = true
		n, err := w.miss(body)
		if err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// steady takes lines from the start of body as long as each is the expected
// one with a plain value, and returns the rest. This is the path that nearly
// every line goes, so what it needs is in local variables.
func (w *Walk) steady(body []byte) []byte {
	if w.rebuilding || w.family.changed != "" {
		return body
	}
	old, at, due, kept := w.old, w.at, w.due, len(w.batch.Samples)
	samples, seed, mask, now := w.batch.Samples, w.seed, w.mask, w.now
	for at < len(old) && at != due {
		e := &old[at]
		size := int(e.size)
		if e.flags&^tracked != 0 || size >= len(body) || body[size] != ' ' || maphash.Bytes(seed, body[:size])&mask != e.hash || !e.intact() {
			break
		}
		v, n := exposition.Plain(body[size:])
		if n == 0 {
			break
		}
		if e.flags == tracked {
			samples = append(samples, telemetry.Sample{Handle: e.handle, T: now, V: v})
		} else if e.handle != telemetry.Dropped {
			break
		}
		body = body[size+n:]
		at++
	}
	kept = len(samples) - kept
	w.batch.Samples = samples
	w.Total += at - w.at
	w.Added += kept
	w.Appended += kept
	w.at = at
	return body
}

// hit takes the line at the start of body if it is the expected one, e, and
// returns its length, else 0.
func (w *Walk) hit(e *entry, body []byte) int {
	if w.rebuilding && w.seen[w.at] {
		return 0
	}
	n := int(e.size)
	if n >= len(body) && (n > len(body) || e.flags&meta == 0) || w.hash(body[:n]) != e.hash {
		return 0
	}
	if !e.intact() {
		return 0
	}
	if e.flags&meta != 0 {
		if n < len(body) && body[n-1] != '\n' {
			return 0 // it was the end of the body, and more follows now
		}
		if w.at == w.due && !w.auditLine(e, body) {
			return 0
		}
		w.family.passed(e.flags, body[:n])
		w.keep(e)
		return n
	}
	// A name without braces must not be the beginning of a longer name. And
	// while a family's metadata is new, its series are learnt anew.
	if body[n-1] != '}' && body[n] != ' ' && body[n] != '\t' || w.family.changed != "" {
		return 0
	}
	v, t, tail, err := exposition.Tail(body[n:])
	if err != nil {
		return 0
	}
	if w.at == w.due && !w.auditLine(e, body) {
		return 0
	}
	w.Total++
	w.sample(w.keep(e), v, t)
	return n + tail
}

// sample appends a sample of the latest entry, if it is admitted.
func (w *Walk) sample(e *entry, v float64, t int64) bool {
	h := e.handle
	at, ok := w.admit(e, t)
	if ok {
		w.batch.Samples = append(w.batch.Samples, telemetry.Sample{Handle: h, T: at, V: v})
	}
	return ok
}

// miss takes the line at the start of body when it is not the expected one,
// and returns its length.
func (w *Walk) miss(body []byte) (int, error) {
	l := &w.line
	if err := l.Parse(body); err != nil {
		return 0, err
	}
	if l.Kind != exposition.Series {
		w.missMeta(body[:l.Size])
		return l.Size, nil
	}
	w.Total++
	e, isNew, err := w.series(l.Text, func() telemetry.Labels { return l.Labels(w.family.metric(), &w.build) })
	if e == nil {
		return l.Size, err
	}
	t := int64(exposition.NoTime)
	if l.HasT {
		t = l.T
	}
	if w.sample(e, l.Value, t) && isNew {
		w.SeriesAdded++
	}
	return l.Size, nil
}

// missMeta takes a line without a sample. w.line has it parsed.
func (w *Walk) missMeta(line []byte) {
	f := meta
	switch w.line.Kind {
	case exposition.Type:
		f |= isType
	case exposition.Help:
		f |= isHelp
	}
	w.family.passed(f, line)
	if known := w.note(line, f); !known && f != meta && w.rules.HonorMetadata {
		w.family.changed = string(w.line.Family)
	}
}

// note takes a line that is no sample and reports whether the memory had it.
func (w *Walk) note(line []byte, f flags) (known bool) {
	hash := w.hash(line)
	e, known := w.find(hash, len(line))
	if e == nil {
		w.push(entry{hash: hash, size: uint32(len(line)), flags: f})
	}
	return known
}
