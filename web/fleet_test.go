package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// The API of the fleet is at the root and below the prefix, and says what is
// wrong with a request.
func TestFleetAnswersAtTheRootAndBelowThePrefix(t *testing.T) {
	var started sync.WaitGroup
	cfg := testServer(t, &started).cfg
	cfg.PathPrefix = "/ui/"
	cfg.Fleet = report.New(report.Config{Self: "me", View: cell.New(owner.Alone("me")), Targets: func() []status.Target {
		return []status.Target{
			{Component: "x", Key: 7, Job: "j", Labels: labels.FromStrings("job", "j"), URL: "http://h:1/metrics", Interval: time.Minute, Clustered: true, Health: status.Unknown},
			{Component: "x", Key: 8, Job: "j", Labels: labels.FromStrings("job", "j"), URL: "http://u:secret@h:2/metrics", Interval: time.Minute, Clustered: true, Health: status.Unknown},
		}
	}})
	s := New(cfg)
	f := func(path string, code int, want string) {
		t.Helper()
		for _, prefix := range []string{"", "/ui"} {
			w := httptest.NewRecorder()
			s.http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, prefix+"/api/v0/fleet/"+path, nil))
			if w.Code != code || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%s%s: %d %s; want %d %s", prefix, path, w.Code, w.Body, code, want)
			}
		}
	}
	f("status", 200, `"asked":"me"`)
	f("node", 200, `"name":"me"`)
	f("coverage", 200, `[]`)
	f("events", 200, `[]`)
	f("targets", 200, `"matched":2`)
	f("targets?q=h:1", 200, `"matched":1`)
	f("targets?limit=1&offset=1", 200, `"offset":1`)
	f("targets?limit=x", 400, `limit "x" is not a number`)
	f("targets?l={job", 400, "closing brace")
	f("targets?sort=age", 400, `sort "age"`)
	f("owner", 400, "name a target")
	f("owner?url=http://h:1/metrics", 200, `"matched":1`)
	f("owner?l=job=j", 200, `"matched":2`)
	f("target?component=x&key=7", 200, `"why":"the only node that serves"`)
	f("target?component=x&key=9", 404, "no node knows a target")
	f("target?component=x&key=no", 400, `key "no" is not a number`)
	f("other", 404, "")
}
