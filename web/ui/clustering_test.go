package ui

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/pipeline"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

// A storedFleet answers what a file holds.
type storedFleet struct {
	Status report.Fleet     `json:"status"`
	Found  report.Page      `json:"page"`
	One    report.Detail    `json:"detail"`
	Past   []report.Event   `json:"events"`
	Hours  []report.History `json:"histories"`

	asked *report.Query // the last one
}

func (s *storedFleet) Fleet(context.Context) report.Fleet { return s.Status }
func (s *storedFleet) Verdict(context.Context) []string   { return s.Status.Verdict }

func (s *storedFleet) Targets(_ context.Context, q report.Query) (report.Page, error) {
	s.asked = &q
	return s.Found, nil
}

func (s *storedFleet) Detail(_ context.Context, id string, key owner.Key) (report.Detail, error) {
	if s.One.Component != id || s.One.Key != key {
		return report.Detail{}, &report.UnknownTarget{Component: id, Key: key}
	}
	return s.One, nil
}

func (s *storedFleet) Events(context.Context) []report.Event { return s.Past }

func (s *storedFleet) Histories(context.Context, string) ([]report.History, error) {
	return s.Hours, nil
}

// stored returns a UI over the answers in testdata/name.json.
func stored(t testing.TB, name string) (*UI, *storedFleet) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	fleet := new(storedFleet)
	if err := json.Unmarshal(text, fleet); err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Pipeline: pipeline.New(pipeline.Config{}), Fleet: fleet, Self: fleet.Status.Asked, Prefix: "/divvy",
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return fleet.Status.At },
	}), fleet
}

// get returns the status and the content of a page.
func get(t testing.TB, u *UI, path string) (code int, main string) {
	t.Helper()
	w := httptest.NewRecorder()
	u.ServeHTTP(w, httptest.NewRequest("GET", "/divvy"+path, nil))
	_, main, _ = strings.Cut(w.Body.String(), `<main id="main" tabindex="-1">`)
	main, _, _ = strings.Cut(main, "</main>")
	return w.Code, main
}

// golden compares text with testdata/name.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s: run with -update and read the diff, if this is meant: %s", path, diff)
	}
}

func TestPagesShowWhatTheFleetSays(t *testing.T) {
	f := func(file, path, page string) {
		t.Helper()
		u, _ := stored(t, file)
		code, main := get(t, u, path)
		if code != 200 {
			t.Errorf("%s: status %d", path, code)
		}
		golden(t, file+"-"+page+".html", main)
	}
	f("whole", "/clustering", "clustering")
	f("broken", "/clustering", "clustering")
	f("whole", "/targets", "targets")
	f("broken", "/targets?q=metrics&offset=50&sort=-samples", "targets")
	f("broken", "/target?component=prometheus.scrape.odd&key=4381249407270660382", "target")
	f("broken", "/remote-write?node=n1", "remotewrite")
}

func TestPagesRefuseWhatIsNotThere(t *testing.T) {
	u, _ := stored(t, "broken")
	f := func(path string, want int, text string) {
		t.Helper()
		if code, main := get(t, u, path); code != want || !strings.Contains(main, text) {
			t.Errorf("%s: status %d, %s", path, code, main)
		}
	}
	f("/target", 400, "by its component")
	f("/target?component=a&key=x", 400, "by its component")
	f("/target?component=a&key=1", 404, "No node knows")
	f("/dropped?component=a", 404, "no component")
	f("/dropped", 200, "no component that drops")
}

func TestOnlyWhatIsSharedOutIsScrapedOnce(t *testing.T) {
	f := func(clustered bool, want string) {
		t.Helper()
		if got := coverageWords(report.Coverage{Targets: 3, Clustered: clustered}, noon); got != want {
			t.Errorf("clustered %t: got %q, want %q", clustered, got, want)
		}
	}
	f(true, "each scraped once")
	f(false, "not shared out: each node scrapes its own")
	fleet := report.Fleet{Coverage: []report.Coverage{{Targets: 2}}, Nodes: []report.Node{{Stage: "serving"}, {Stage: "serving"}}}
	if got := coverageSentence(fleet); got != "No targets are shared out: each node scrapes its own." {
		t.Errorf("got %q", got)
	}
	fleet.Coverage = append(fleet.Coverage, report.Coverage{Targets: 3, Clustered: true})
	if got := coverageSentence(fleet); got != "Each of 3 targets is scraped once, by one of 2 serving nodes." {
		t.Errorf("got %q", got)
	}
}

func TestNothingIsCoveredBelowTheQuorum(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	f := func(q report.Quorum, whole bool, tone, words string) {
		t.Helper()
		fleet := report.Fleet{At: now, Quorum: q, Coverage: []report.Coverage{{Component: "a", Clustered: true, Targets: 3}}}
		v := newClusteringView(fleet, nil)
		if want := (quorumView{tone, words}); v.Whole != whole || v.Quorum != want {
			t.Errorf("%+v: whole %t, %+v", q, v.Whole, v.Quorum)
		}
	}
	f(report.Quorum{Serving: 1, Admits: true}, true, "", "")
	f(report.Quorum{Needed: 2, Serving: 3, Admits: true}, true, "good", "3 nodes serve; at least 2 are needed.")
	f(report.Quorum{Needed: 3, Serving: 2}, false, "bad", "2 of the 3 that are waited for serve: nobody scrapes until there are enough.")
	f(report.Quorum{Needed: 3, Serving: 1, Deadline: now.Add(time.Minute)}, false, "bad",
		"1 of the 3 that are waited for serves: nobody scrapes until there are enough, or 03:01:00.")
	f(report.Quorum{Needed: 3, Serving: 2, Admits: true}, true, "busy", "2 of the 3 that are waited for serve: the others were waited for long enough.")
}

func TestTimelineFollowsEvents(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	ago := func(min int) time.Time { return now.Add(-time.Duration(min) * time.Minute) }
	serving := report.Node{Name: "a", Stage: "serving", From: ago(90)}
	f := func(n report.Node, want []band, events ...report.Event) {
		t.Helper()
		if diff := cmp.Diff(want, newLane("a", n, events, span{ago(60), now}).Bands); diff != "" {
			t.Error(diff)
		}
	}
	at := func(min int, kind string) report.Event { return report.Event{Node: "a", At: ago(min), Kind: kind} }
	f(serving, []band{{0, 1000}})
	f(report.Node{Stage: "serving", From: ago(30)}, []band{{500, 500}})
	f(report.Node{Stage: "viewing"}, nil)
	f(serving, []band{{0, 500}, {750, 250}}, at(30, "left"), at(20, "joining"), at(15, "joined"))
	f(report.Node{}, []band{{0, 250}}, at(45, "died"))
	f(report.Node{}, []band{{250, 250}}, at(45, "joined"), at(30, "fenced"), at(10, "left"))
	f(serving, []band{{0, 1000}}, at(30, "reloaded"))
}

func TestOfManyNodesAPictureShowsTheExtremes(t *testing.T) {
	var nodes []report.Node
	for i := range 100 {
		nodes = append(nodes, report.Node{Name: string(rune('a' + i%26)), Stage: "serving", Load: report.Load{Owned: i}})
	}
	p := pictures(nodes)[0]
	if len(p.Bars) != maxBars || p.Bars[0].Text != "99" || p.Bars[maxBars-1].Text != "0" || p.Bars[maxBars/2].Gap != 100-maxBars {
		t.Errorf("%+v", p)
	}
	if pictures(nodes[:1]) != nil {
		t.Error("one node has nothing to share")
	}
}

func TestNodesThatDriftAreMarked(t *testing.T) {
	f := func(drift []report.Drift, hashes []string, want ...string) {
		t.Helper()
		fleet := report.Fleet{Drift: drift}
		for i, hash := range hashes {
			n := report.Node{Name: string(rune('a' + i))}
			n.Config.Hash = hash
			fleet.Nodes = append(fleet.Nodes, n)
		}
		var got []string
		for _, n := range nodeViews(fleet) {
			if n.Drifts {
				got = append(got, n.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v %v: %s", drift, hashes, diff)
		}
	}
	f(nil, []string{"1"})
	f(nil, []string{"1", "1", "1"})
	f(nil, []string{"1", "2", "1"}, "b")
	f(nil, []string{"1", "2"}, "a", "b")
	f([]report.Drift{{Nodes: []string{"b"}}}, []string{"1", "2"}, "b")
}

func TestOfManyNodesTheUnusualAreShown(t *testing.T) {
	f := report.Fleet{Asked: "n050", Silent: []report.Silent{{Name: "silent"}}}
	for i := range 100 {
		n := report.Node{Name: fmt.Sprintf("n%03d", i), Stage: "serving"}
		if i == 70 {
			n.Stage = "fenced"
		}
		f.Nodes = append(f.Nodes, n)
	}
	v := newClusteringView(f, nil)
	v.shorten()
	if v.More != 101-nodeRows || v.Nodes[0].Name != "n070" || v.Nodes[1].Name != "silent" || v.Nodes[2].Name != "n050" || v.Nodes[3].Name != "n000" {
		t.Errorf("%d more; first %s, %s, %s, %s", v.More, v.Nodes[0].Name, v.Nodes[1].Name, v.Nodes[2].Name, v.Nodes[3].Name)
	}
}

func TestAClockIsJudgedByTheMedian(t *testing.T) {
	f := func(skew map[string]float64, off time.Duration, bad bool) {
		t.Helper()
		if c := newClockView(skew); c.Off != off || c.Bad != bad {
			t.Errorf("%v: %s, bad %t", skew, c.Off, c.Bad)
		}
	}
	f(nil, 0, false)
	f(map[string]float64{"b": 0.05}, -50*time.Millisecond, false)
	f(map[string]float64{"b": 0.001, "c": 0.001, "d": 5}, -time.Millisecond, false)
	f(map[string]float64{"b": -3, "c": -3, "d": 0}, 3*time.Second, true)
}
