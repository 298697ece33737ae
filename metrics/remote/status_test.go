package remote

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/config"

	"github.com/divvy-collector/divvy/telemetry/status"
)

func named(c *Config) { c.Endpoints[0].Name = "test" }

// bubble plays f in virtual time.
func bubble(t *testing.T, edit func(*Config), f func(g *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, edit)
		defer g.end()
		f(g)
	})
}

// An endpoint's history is what happened, a quarter of a minute at a time.
func TestHistoryHasWhatHappened(t *testing.T) {
	bubble(t, named, func(g *rig) {
		time.Sleep(time.Second)
		g.tickMany(1, 1, 10)
		time.Sleep(15 * time.Second)
		g.rcv.answers(answering(http.StatusServiceUnavailable))
		g.tickMany(1, 2, 7)
		time.Sleep(15 * time.Second)
		g.rcv.answers(answering(http.StatusBadRequest))
		time.Sleep(15 * time.Second)
		s := g.Status()[0]
		want := status.Endpoint{
			Name: "test", URL: "http://receiver/push", Sent: 10, SentBytes: s.SentBytes,
			Dropped: map[string]int64{"http_400": 7}, Retried: s.Retried, Err: s.Err, FailingSince: s.FailingSince, Refused: true,
		}
		if diff := cmp.Diff(want, s.Endpoint); diff != "" || s.Retried < 3 || s.FailingSince.IsZero() {
			t.Errorf("endpoint: %s", diff)
		}
		got := g.History(s.Name)
		last := []status.Point{{Sent: 10}, {Backlog: 7}, {Dropped: 7}}
		ignore := cmpopts.IgnoreFields(status.Point{}, "At", "Lag", "Bytes", "SentBytes", "Failed")
		if diff := cmp.Diff(last, got, ignore); diff != "" {
			t.Errorf("history: %s", diff)
		}
		if got[0].Failed != 0 || got[1].Failed < 3 || got[0].SentBytes == 0 || got[1].Bytes == 0 {
			t.Errorf("history: %+v", got)
		}
		if g.History("other") != nil {
			t.Error("an endpoint that is not there has a history")
		}
	})
}

// A history is an hour long.
func TestHistoryEndsAfterAnHour(t *testing.T) {
	bubble(t, named, func(g *rig) {
		time.Sleep(2*time.Hour + time.Second)
		got := g.History("test")
		if len(got) != 240 || time.Since(got[239].At) > status.PointEvery {
			t.Errorf("%d points up to %s", len(got), got[len(got)-1].At)
		}
		for i, p := range got[1:] {
			if p.At.Sub(got[i].At) != status.PointEvery {
				t.Errorf("%s follows %s", p.At, got[i].At)
			}
		}
	})
}

// Nothing that is told of an endpoint holds a secret.
func TestEndpointsTellNoSecrets(t *testing.T) {
	secrets := func(c *Config) {
		c.Endpoints[0].URL = "http://me:hush1@receiver/push?token=hush2"
		c.Endpoints[0].HTTP.BasicAuth = &config.BasicAuth{Username: "me", Password: "hush3"}
		c.Endpoints[0].Headers = map[string]string{"X-Key": "hush4"}
	}
	bubble(t, secrets, func(g *rig) {
		time.Sleep(time.Second)
		f := func(answer func(http.ResponseWriter, request) bool) {
			t.Helper()
			g.rcv.answers(answer)
			g.tickMany(1, 1, 1)
			time.Sleep(20 * time.Second)
			s := g.Status()
			text, err := json.Marshal([]any{s, g.History(s[0].Name)})
			if err != nil || strings.Contains(string(text), "hush") || len(g.History(s[0].Name)) == 0 {
				t.Errorf("told: %s, %v", text, err)
			}
		}
		f(answering(http.StatusServiceUnavailable))
		f(func(http.ResponseWriter, request) bool { panic(http.ErrAbortHandler) })
	})
}

// Anybody may ask at any time.
func TestEndpointsMayBeAskedWhileSending(t *testing.T) {
	bubble(t, named, func(g *rig) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 100 {
				g.Status()
				g.History("test")
				time.Sleep(time.Second)
			}
		}()
		for n := range 100 {
			if n == 50 {
				g.rcv.answers(answering(http.StatusServiceUnavailable))
			}
			g.tick(1, n, 1)
			time.Sleep(time.Second)
		}
		<-done
		g.rcv.answers(nil)
	})
}
