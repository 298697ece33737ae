package telemetry_test

import (
	"testing"

	"github.com/divvy-collector/divvy/telemetry"
)

func TestHandleNamesItsSink(t *testing.T) {
	a, b := telemetry.NewSinkID(), telemetry.NewSinkID()
	h := a.Handle(5)
	if n, ours := a.Index(h); n != 5 || !ours {
		t.Errorf("index in its sink is %d, %v; want 5, true", n, ours)
	}
	if _, ours := b.Index(h); ours {
		t.Error("another sink takes the handle for its own")
	}
	if h.Sink() != a {
		t.Errorf("sink is %d; want %d", h.Sink(), a)
	}
	if _, ours := a.Index(telemetry.Dropped); ours {
		t.Error("Dropped belongs to a sink")
	}
}

func TestEpochsRise(t *testing.T) {
	if a, b := telemetry.NextEpoch(), telemetry.NextEpoch(); b <= a {
		t.Errorf("epoch %d after %d", b, a)
	}
}

func TestResetKeepsNothingButMemory(t *testing.T) {
	b := telemetry.Batch{
		Epoch: 1, Key: 2, Scope: "s",
		Samples:    make([]telemetry.Sample, 3),
		Histograms: make([]telemetry.HistogramSample, 3),
	}
	b.Reset()
	if b.Epoch != 0 || b.Key != 0 || b.Scope != "" || len(b.Samples)+len(b.Histograms) != 0 {
		t.Errorf("batch after Reset: %+v", b)
	}
	if cap(b.Samples) != 3 || cap(b.Histograms) != 3 {
		t.Error("Reset gave memory away")
	}
}
