package remote

import (
	"fmt"

	"github.com/divvy-collector/divvy/telemetry"
)

// showLocked tells those who watch about the samples of a batch, as the first
// endpoint is sent them: with external labels, and after its rules. The tables of
// st are locked for reading.
func (w *Writer) showLocked(st *state, b *telemetry.Batch) {
	if len(st.endpoints) == 0 {
		return
	}
	enc := newEncoder(st.endpoints[0], st, st.endpoints[0].settings.Load(), 0)
	say := func(h telemetry.Handle, t int64, value any) {
		line, ok := enc.line(h)
		if !ok {
			return
		}
		w.cfg.Live.Say(func() string {
			return fmt.Sprintf("sample: ts=%d, labels=%s, value=%v", t, line.LabelsLocked(), value)
		})
	}
	for _, s := range b.Samples {
		say(s.Handle, s.T, s.V)
	}
	for _, s := range b.Histograms {
		if s.H != nil {
			say(s.Handle, s.T, s.H)
		} else {
			say(s.Handle, s.T, s.FH)
		}
	}
}
