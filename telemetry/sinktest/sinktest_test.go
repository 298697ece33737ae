package sinktest_test

import (
	"testing"

	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

func TestRecorderIsASink(t *testing.T) {
	sinktest.TestSink(t, func(*testing.T) sinktest.Fixture {
		r := sinktest.NewRecorder()
		return sinktest.Fixture{Sink: r, Change: r.Change, Received: r.Points}
	})
}
