package components

import (
	"strings"
	"testing"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// The powers are found by their types: one whose method has another signature
// would be lost without a word.
var (
	_ component.Scraper    = (*prometheusScrape)(nil)
	_ component.Relabeller = (*discoveryRelabel)(nil)
	_ component.Deliverer  = (*remoteWrite)(nil)
)

// Targets are told with their component, and whether they are shared.
func TestScraperTellsWhoseItsTargetsAre(t *testing.T) {
	f := func(clustering string, want bool) {
		t.Helper()
		e, _, _ := env(t)
		e.View = cell.New(owner.Alone(e.Self))
		var a scrapeArgs
		body := `targets = [{"__address__" = "a:1", "x" = "y"}]` + "\nforward_to = [sink]\n" + clustering
		if err := evaluate(t, body, &a, nil); err != nil {
			t.Fatal(err)
		}
		c, err := newScrape(e, a)
		if err != nil {
			t.Fatal(err)
		}
		s := c.(component.Scraper)
		list := s.Targets()
		if len(list) != 1 || list[0].Component != e.ID || list[0].Clustered != want {
			t.Errorf("%q: targets %+v", clustering, list)
		}
		if found, ok := s.Discovered(list[0].Key); !ok || found.Get("x") != "y" || len(s.Scrapes(list[0].Key)) != 0 {
			t.Errorf("%q: discovered %s, %v", clustering, found, ok)
		}
	}
	f(``, false)
	f(`clustering { enabled = false }`, false)
	f(`clustering { enabled = true }`, true)
}

// Endpoints are told with their component; their history is asked for by name.
func TestDelivererTellsWhoseItsEndpointsAre(t *testing.T) {
	e, _, _ := env(t)
	var a remoteWriteArguments
	if err := evaluate(t, `endpoint {
		name = "n"
		url  = "http://me:hush@a/"
	}`, &a, nil); err != nil {
		t.Fatal(err)
	}
	c, err := newRemoteWrite(e, a)
	if err != nil {
		t.Fatal(err)
	}
	d := c.(component.Deliverer)
	list := d.Endpoints()
	if len(list) != 1 || list[0].Component != e.ID || list[0].Name != "n" || strings.Contains(list[0].URL, "hush") {
		t.Errorf("endpoints %+v", list)
	}
	if points := d.History("n"); len(points) != 0 {
		t.Errorf("a history before it runs: %+v", points)
	}
}
