package testbed

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each slot is to have one scrape, whoever makes it, and whenever before the
// next one is due.
func TestSlotsCountWhatTargetsSaw(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	type visit struct {
		seconds float64
		by      string
	}
	f := func(what string, visits []visit, want Slots) {
		t.Helper()
		var scrapes []Scrape
		for _, v := range visits {
			scrapes = append(scrapes, Scrape{Target: "t", Time: at(v.seconds), By: v.by})
		}
		var got Slots
		got.Enter(scrapes, 2*time.Second, at(9))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	f("never scraped", nil, Slots{})
	f("in time", []visit{{0, "a"}, {2, "a"}, {4.01, "b"}, {5.99, "b"}, {8, "b"}},
		Slots{Served: 4, Hole: 2010 * time.Millisecond})
	f("first one late", []visit{{0.3, "a"}, {2, "a"}, {4, "a"}, {6, "a"}, {8, "a"}}, Slots{Served: 4, Hole: 2 * time.Second})
	f("caught up", []visit{{0, "a"}, {2, "a"}, {5.4, "b"}, {6, "b"}, {8, "b"}}, Slots{Served: 4, Hole: 3400 * time.Millisecond})
	f("missed", []visit{{0, "a"}, {4, "b"}, {6, "b"}}, Slots{
		Served: 3, Hole: 4 * time.Second,
		Slips: []Slip{{"t", at(2), 0, []string{"a"}}},
	})
	f("doubled", []visit{{0, "a"}, {2, "a"}, {2.2, "b"}, {4, "b"}, {6, "b"}, {6, "c"}, {6.1, "b"}, {8, "b"}}, Slots{
		Served: 4, Hole: 2 * time.Second,
		Slips: []Slip{{"t", at(2), 2, []string{"a", "a", "b"}}, {"t", at(6), 3, []string{"b", "b", "c", "b"}}},
	})
	f("given up", []visit{{0, "a"}, {2, "a"}}, Slots{
		Served: 2, Hole: 7 * time.Second,
		Slips: []Slip{{"t", at(4), 0, []string{"a"}}, {"t", at(6), 0, []string{"a"}}},
	})
}

// A fleet knows who scraped it, if collectors say so.
func TestFleetKnowsWhoScraped(t *testing.T) {
	fleet := NewFleet(FleetConfig{Targets: 1, Series: 1})
	f := func(node string) {
		t.Helper()
		req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/t/0/metrics", nil)
		if node != "" {
			req.Header.Set(NodeHeader, node)
		}
		fleet.ServeHTTP(httptest.NewRecorder(), req)
		scrapes := fleet.Scrapes(0)
		if got := scrapes[len(scrapes)-1].By; got != node {
			t.Errorf("got %q, want %q", got, node)
		}
	}
	f("")
	f("a")
	f("b")
	if s := CheckSlots(fleet, time.Hour, time.Now().Add(time.Hour)); s.Served != 1 || len(s.Slips) != 1 || s.Slips[0].Scrapes != 3 {
		t.Errorf("got %+v", s)
	}
}
