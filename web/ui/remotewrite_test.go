package ui

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
)

func TestAnEndpointSaysHowItIsDoing(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 5, 10, 0, time.UTC)
	f := func(e status.Endpoint, tone, words string) {
		t.Helper()
		if gotTone, got := endpointState(e, now); gotTone != tone || got != words {
			t.Errorf("%s %q, want %s %q", gotTone, got, tone, words)
		}
	}
	f(status.Endpoint{}, "dim", "nothing to send yet")
	f(status.Endpoint{Sent: 1, Lag: time.Second}, "good", "delivering")
	f(status.Endpoint{Sent: 1, Lag: 40 * time.Second}, "busy", "behind by 40 s")
	f(status.Endpoint{Sent: 1, Lag: 3 * time.Minute}, "bad", "behind by 3 min")
	f(status.Endpoint{Err: "HTTP 503", Lag: time.Second}, "busy", "trying again: HTTP 503")
	f(status.Endpoint{Err: "HTTP 503", Lag: 3 * time.Minute, FailingSince: now.Add(-3 * time.Minute)},
		"bad", "behind by 3 min since 14:02:10: HTTP 503")
	f(status.Endpoint{Err: "HTTP 400", Refused: true, FailingSince: now.Add(-3 * time.Minute)},
		"bad", "what is sent is refused and dropped since 14:02:10: HTTP 400")
}

func TestWhatIsWrongIsFirstAmongEndpoints(t *testing.T) {
	var f report.Fleet
	for i := range 100 {
		e := status.Endpoint{Name: "e", Sent: 1}
		if i == 70 {
			e.Err, e.Lag = "no", time.Hour
		}
		f.Nodes = append(f.Nodes, report.Node{Name: fmt.Sprintf("n%02d", i), Queues: []status.Endpoint{e}})
	}
	page := listEndpoints(linkOf(httptest.NewRequest("GET", "/remote-write?node=n03", nil)), f, nil)
	if len(page.Rows) != endpointRows || page.More != 100-endpointRows || page.Rows[0].Node != "n70" || page.Rows[1].Node != "n00" {
		t.Errorf("%d rows, %d more, the first of %s", len(page.Rows), page.More, page.Rows[0].Node)
	}
	if len(page.Endpoints) != 1 || page.Node != "n03" {
		t.Errorf("%d endpoints of %s", len(page.Endpoints), page.Node)
	}
	page = listEndpoints(linkOf(httptest.NewRequest("GET", page.All, nil)), f, nil)
	if len(page.Rows) != 100 || page.More != 0 {
		t.Errorf("%d of all rows", len(page.Rows))
	}
}

func TestTheRateIsThatOfTheLastMinute(t *testing.T) {
	points := []status.Point{{Sent: 1e9}, {Sent: 150}, {Sent: 150}, {Sent: 150}, {Sent: 150}}
	if got := lately(points); got != 10 {
		t.Errorf("%g a second", got)
	}
	if lately(nil) != 0 {
		t.Error("nothing was sent")
	}
}
