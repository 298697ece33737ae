package simulate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// refused fails the test unless err holds want.
func refused(t *testing.T, text string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q: error is %v; want %s", text, err, want)
	}
}

func TestNodesAreANumberOrNames(t *testing.T) {
	f := func(text string, want ...Node) {
		t.Helper()
		if got, err := ParseNodes(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
	f("3", Node{Name: "a"}, Node{Name: "b"}, Node{Name: "c"})
	f("x, y@2,z@0.5", Node{Name: "x"}, Node{Name: "y", Capacity: 2}, Node{Name: "z", Capacity: 0.5})
	if got, err := ParseNodes("29"); err != nil || got[25].Name != "z" || got[26].Name != "aa" || got[28].Name != "ac" {
		t.Errorf("29 gives %v, %v", got, err)
	}
	bad := func(text, want string) {
		t.Helper()
		_, err := ParseNodes(text)
		refused(t, text, err, want)
	}
	bad("0", "none of 1 to")
	bad("", "has no name")
	bad("a,,b", "has no name")
	bad("a@0", "no positive number")
	bad("a@inf", "no positive number")
	bad("a@many", "no positive number")
}

func TestEventsSayWhenWhatAndWho(t *testing.T) {
	f := func(text string, want ...Event) {
		t.Helper()
		if got, err := ParseEvents(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
	f("")
	f("60s:join d, 2m:leave:a", Event{At: time.Minute, Do: Join, Node: "d"}, Event{At: 2 * time.Minute, Do: Leave, Node: "a"})
	f("0s:kill b,1s:vanish c,2s:join d@2", Event{Do: Kill, Node: "b"}, Event{At: time.Second, Do: Vanish, Node: "c"},
		Event{At: 2 * time.Second, Do: Join, Node: "d", Capacity: 2})
	f("1m:restart a", Event{At: time.Minute, Do: Leave, Node: "a"}, Event{At: 67 * time.Second, Do: Join, Node: "a"})
	bad := func(text, want string) {
		t.Helper()
		_, err := ParseEvents(text)
		refused(t, text, err, want)
	}
	bad("join d", "does not say when")
	bad("soon:join d", `comes at "soon"`)
	bad("-1s:join d", `comes at "-1s"`)
	bad("1s:join", "names no node")
	bad("1s:join @2", "has no name")
	bad("1s:explode a", `does "explode"`)
}

func TestTargetsAreGroupsOrLines(t *testing.T) {
	each := Target{Interval: 15 * time.Second, Samples: 7}
	f := func(text string, want ...string) {
		t.Helper()
		got, err := ParseTargets([]byte(text), each)
		names := make([]string, len(got))
		for i := range got {
			names[i] = got[i].Name
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%q gives %q, %v", text, names, err)
		}
	}
	f(`[{"targets":["a:1","b:1","a:1"],"labels":{"job":"x"}},{"targets":["c:1"],"labels":{"__scheme__":"https","__metrics_path__":"/m"}}]`,
		"http://a:1/metrics", "http://b:1/metrics", "https://c:1/m")
	f("# all of them\nhttp://a:1/metrics\na:1   # again\n\nhttps://b:1/m?x=1\n", "http://a:1/metrics", "https://b:1/m")
	bad := func(text, want string) {
		t.Helper()
		_, err := ParseTargets([]byte(text), each)
		refused(t, text, err, want)
	}
	bad("", "no targets")
	bad("[]", "no targets")
	bad("[{]", "read target groups")
	bad("a:1\nhttp://\n", "line 2: ")
	bad(`[{"targets":["a:1"],"labels":{"__scrape_interval__":"often"}}]`, `"often" is no interval`)
}

// Keys are those of discovered targets, and what a target says of itself counts.
func TestTargetsHaveTheKeysOfDiscovery(t *testing.T) {
	got, err := ParseTargets([]byte(`[{"targets":["a:1"],"labels":{"job":"x","__meta_zone":"z","__scrape_interval__":"1m"}}]`), Target{Samples: 7})
	if err != nil {
		t.Fatal(err)
	}
	want := Target{
		Name: "http://a:1/metrics", Interval: time.Minute, Samples: 7,
		Key: owner.TargetKey(labels.FromStrings("__address__", "a:1", "job", "x", "__scrape_interval__", "1m")),
	}
	if got[0] != want {
		t.Errorf("got %+v; want %+v", got[0], want)
	}
}

// Whatever a file holds, its targets are distinct and can be played, or it is
// refused.
func FuzzTargetsCanBePlayed(f *testing.F) {
	f.Add([]byte(`[{"targets":["a:1","b:1"],"labels":{"__scrape_interval__":"1m"}}]`))
	f.Add([]byte("http://a:1/metrics\nb:1 # c\n"))
	f.Add([]byte("[{\"targets\":[\"\xff\"]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		targets, err := ParseTargets(text, Target{Interval: 15 * time.Second})
		if err != nil {
			return
		}
		r, err := Run(Config{Nodes: []Node{{Name: "a"}, {Name: "b"}}, Targets: targets})
		if err != nil {
			t.Fatal(err)
		}
		if r.Start.Targets != len(targets) || r.Start.Shares[0].Targets+r.Start.Shares[1].Targets != len(targets) {
			t.Errorf("%d targets are divided as %+v", len(targets), r.Start)
		}
	})
}

func FuzzEventsAreReadOrRefused(f *testing.F) {
	f.Add("60s:join d,120s:leave a")
	f.Add("1s:restart:a@2")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := ParseEvents(text)
		if err != nil {
			return
		}
		for _, e := range events {
			if e.Node == "" || e.At < 0 {
				t.Errorf("%q gives %+v", text, e)
			}
		}
	})
}
