package walk

import "bytes"

// OpenMetrics is left to Prometheus' parser, which checks far more than single
// lines. But a body that differs from the one before in nothing but values of
// plain samples is as valid as that one was. So while a body is parsed, all of
// its lines go into the memory, those without a sample too, and the next body
// is first compared with them line by line. With the first line that is not
// the same, or that has a timestamp or an exemplar, the body is parsed after
// all.

// same walks a body in OpenMetrics if it has the lines of the one before, in
// their order, with plain values. Otherwise it returns false, and the walk is
// to be started over.
func (w *Walk) same(body []byte) bool {
	if w.fresh || len(w.old) == 0 {
		return false
	}
	for len(body) > 0 {
		if body = w.steady(body); len(body) == 0 || w.at == len(w.old) {
			return false // a body has an end
		}
		e := &w.old[w.at]
		n := w.hit(e, body)
		if n == 0 || e.flags&meta == 0 && !isPlain(body[e.size:n]) {
			return false
		}
		body = body[n:]
	}
	return w.at == len(w.old) && w.old[w.at-1].flags&isEnd != 0
}

// isPlain reports whether the tail of a line is one that OpenMetrics allows
// too, and has no timestamp: a space, a value, a newline.
func isPlain(tail []byte) bool {
	last := len(tail) - 1
	return tail[0] == ' ' && !bytes.ContainsAny(tail[1:last], " \t")
}

// An outline follows the lines of a body in OpenMetrics while it is parsed.
type outline struct {
	rest []byte // lines that were not noted yet; nil: nothing is followed
}

// noteLines takes the lines above the sample with this series text into the
// memory, and passes the sample's own. At the end of the body text is nil.
func (w *Walk) noteLines(text []byte) {
	for len(w.outline.rest) > 0 {
		rest := w.outline.rest
		size := bytes.IndexByte(rest, '\n') + 1
		if size == 0 {
			size = len(rest)
		}
		line := rest[:size]
		isSample := line[0] != '#'
		if isSample && (text == nil || !bytes.HasPrefix(line, text)) {
			w.outline.rest = nil // it is not as expected; the next body is parsed too
			return
		}
		w.outline.rest = rest[size:]
		if isSample {
			return
		}
		if known := w.note(line, kindOf(line)); !known && w.rules.HonorMetadata {
			w.family.changed = w.family.parsed.Family
		}
	}
}

// kindOf returns the flags of a line that is no sample.
func kindOf(line []byte) flags {
	switch {
	case bytes.HasPrefix(line, []byte("# EOF")):
		return meta | isEnd
	case bytes.HasPrefix(line, []byte("# TYPE ")):
		return meta | isType
	case bytes.HasPrefix(line, []byte("# HELP ")):
		return meta | isHelp
	}
	return meta
}

// follows reports whether an outline is kept.
func (o *outline) follows() bool { return o.rest != nil }
