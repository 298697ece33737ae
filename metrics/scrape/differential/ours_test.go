package differential

import (
	"context"
	"sync"

	"github.com/divvy-collector/divvy/telemetry"
)

// ours is a sink that collects batches like the oracle's storage.
type ours struct {
	log log
	id  telemetry.SinkID

	mu    sync.Mutex
	refs  map[string]int
	names []string
	md    []*telemetry.Metadata
	sent  map[int]telemetry.Metadata
}

func newOurs() *ours {
	return &ours{
		id: telemetry.NewSinkID(), refs: map[string]int{}, names: []string{""},
		md: []*telemetry.Metadata{nil}, sent: map[int]telemetry.Metadata{},
	}
}

func (o *ours) Resolve(lset telemetry.Labels, md *telemetry.Metadata) telemetry.Handle {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := lset.String()
	i, ok := o.refs[text]
	if !ok {
		i = len(o.names)
		o.refs[text] = i
		o.names, o.md = append(o.names, text), append(o.md, nil)
	}
	o.md[i] = md
	return o.id.Handle(i)
}

func (o *ours) Epoch() telemetry.Epoch { return 1 }

func (o *ours) Append(b *telemetry.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out batch
	name := func(h telemetry.Handle) string {
		i, _ := o.id.Index(h)
		if md := o.md[i]; md != nil && o.sent[i] != *md {
			o.sent[i] = *md
			out.metadata(o.names[i], string(md.Type), md.Unit, md.Help)
		}
		return o.names[i]
	}
	for _, s := range b.Samples {
		out.sample(name(s.Handle), s.T, s.V)
	}
	for _, h := range b.Histograms {
		out.histogram(name(h.Handle), h.T, h.H, h.FH)
	}
	for _, e := range b.Exemplars {
		out.exemplar(name(e.Handle), e.Exemplar)
	}
	o.log.add(out)
	return nil
}

func (o *ours) Flush(context.Context) error { return nil }
func (o *ours) Release([]telemetry.Handle)  {}
