package walk

import (
	"fmt"

	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/telemetry"
)

// show tells those who watch about a scrape: a line for itself, and one for
// each sample of its body. The walk does not know the labels of samples that it
// has seen before, so the body is parsed once more, by a parser that does.
func (w *Walk) show(body []byte, contentType string, r *Result) {
	feed := w.visit.Live
	if !feed.Watched() {
		return
	}
	feed.Say(func() string {
		line := fmt.Sprintf("scrape: target=%s, samples=%d, kept=%d, bytes=%d, took=%s",
			w.target.Shown, r.Total, r.Added, r.Bytes, r.Took)
		if r.Err != nil {
			line += fmt.Sprintf(", err=%q", r.Err)
		}
		return line
	})
	if r.Err != nil || len(body) == 0 {
		return
	}
	p, _ := textparse.New(terminated(body), contentType, nil, w.parserOptions())
	for p != nil {
		kind, err := p.Next()
		switch {
		case err != nil:
			return
		case kind == textparse.EntrySeries || kind == textparse.EntryHistogram:
			feed.Say(func() string { return w.sampleLine(p, kind) })
		}
	}
}

// sampleLine describes the sample that the parser is at.
func (w *Walk) sampleLine(p textparse.Parser, kind textparse.Entry) string {
	var lset telemetry.Labels
	p.Labels(&lset)
	lset = withTarget(lset, w.target.Labels, w.rules.HonorLabels)
	var t *int64
	var value any
	switch kind {
	case textparse.EntrySeries:
		_, t, value = p.Series()
	default:
		_, at, h, fh := p.Histogram()
		if t, value = at, h; h == nil {
			value = fh
		}
	}
	if t == nil || !w.rules.HonorTimestamps {
		t = &w.now
	}
	return fmt.Sprintf("sample: ts=%d, labels=%s, value=%v", *t, lset, value)
}
