package remote

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
	"github.com/divvy-collector/divvy/telemetry"
)

// What an audit finds is counted, and said once.
func TestDamageIsCountedAndSaidOnce(t *testing.T) {
	var said bytes.Buffer
	w, err := New(Config{
		Endpoints: []Endpoint{{URL: "http://a/"}}, Dir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	e := w.endpoint()
	e.judge(wire.Verdict{Checked: 1})
	if said.Len() > 0 {
		t.Errorf("nothing was wrong, and it says %s", &said)
	}
	e.judge(wire.Verdict{Checked: 2, Damaged: 1})
	e.judge(wire.Verdict{Checked: 2, Damaged: 1, Torn: 5})
	if n := strings.Count(said.String(), "level=ERROR"); n != 1 {
		t.Errorf("said %d times; want once:\n%s", n, &said)
	}
	if c, d, n := valueOf(e.metrics.checked), valueOf(e.metrics.damaged), valueOf(e.metrics.torn); c != 5 || d != 2 || n != 5 {
		t.Errorf("counted %v checked, %v damaged, %v torn; want 5, 2, 5", c, d, n)
	}
}

// A torn table is left behind: every series is resolved again.
func TestTornTableIsLeft(t *testing.T) {
	w, err := New(Config{Endpoints: []Endpoint{{URL: "http://a/"}}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	lset := labels.FromStrings("a", "b")
	h, epoch, st := w.Resolve(lset, nil), w.Epoch(), w.state.Load()
	w.renew(st)
	w.renew(st) // whoever comes second
	b := &telemetry.Batch{Epoch: epoch, Samples: []telemetry.Sample{{Handle: h}}}
	if err := w.Append(b); !errors.Is(err, telemetry.ErrEpoch) {
		t.Errorf("append says %v; want ErrEpoch", err)
	}
	again := w.Resolve(lset, nil)
	if again == h || w.state.Load().current == st.current {
		t.Error("the series is still in the torn table")
	}
	w.Release([]telemetry.Handle{h})
	if n := len(w.state.Load().older); n != 0 {
		t.Errorf("%d older generations; want none once nothing is held", n)
	}
}
