package ui

import (
	"math/rand/v2"
	"net/http/httptest"
	"strconv"
	"testing"
)

func linkTo(path string) link { return linkOf(httptest.NewRequest("GET", path, nil)) }

func TestAVariantKeepsTheOtherFilters(t *testing.T) {
	f := func(path, want string, pairs ...string) {
		t.Helper()
		if got := linkTo(path).With(pairs...); got != want {
			t.Errorf("%s with %v is %s; want %s", path, pairs, got, want)
		}
	}
	f("/x", "/x?a=1", "a", "1")
	f("/x?a=1&b=2", "/x?a=3&b=2", "a", "3")
	f("/x?a=1&b=2", "/x?b=2", "a", "")
	f("/x?a=1", "/x", "a", "")
	f("/x?a=1&offset=50", "/x?a=2", "a", "2") // begins at its first part
	f("/x?a=1&offset=50", "/x?a=1&offset=100", "offset", "100")
	f("/x%2Fy?a=1", "/x%2Fy?a=%26+%3F", "a", "& ?")
}

func TestAHeadingSortsAndThenTurnsRound(t *testing.T) {
	f := func(path, wantURL, wantOrder string) {
		t.Helper()
		if got := linkTo(path).heading("since", "Since"); got.URL != wantURL || got.Order != wantOrder {
			t.Errorf("on %s the heading is %v", path, got)
		}
	}
	f("/", "/?sort=since", "none")
	f("/?sort=since", "/?sort=-since", "ascending")
	f("/?sort=-since", "/?sort=since", "descending")
	f("/?sort=id", "/?sort=since", "none")
}

func TestThePagerNamesThePartsBesideIt(t *testing.T) {
	f := func(path string, matched int, want pager) {
		t.Helper()
		if got := linkTo(path).pager(10, matched, 99); got != want {
			t.Errorf("%s of %d: %+v; want %+v", path, matched, got, want)
		}
	}
	f("/", 0, pager{0, 0, 0, 99, "", ""})
	f("/", 5, pager{1, 5, 5, 99, "", ""})
	f("/", 25, pager{1, 10, 25, 99, "", "/?offset=10"})
	f("/?offset=10", 25, pager{11, 20, 25, 99, "/?offset=0", "/?offset=20"})
	f("/?offset=20&q=x", 25, pager{21, 25, 25, 99, "/?offset=10&q=x", ""})
	f("/?offset=-3", 5, pager{1, 5, 5, 99, "", ""})
	f("/?offset=700", 5, pager{5, 5, 5, 99, "/?offset=0", ""})
}

func TestNaturalOrderIsThatOfPeople(t *testing.T) {
	f := func(less, more string) {
		t.Helper()
		if natural(less, more) >= 0 || natural(more, less) <= 0 {
			t.Errorf("%q does not come before %q", less, more)
		}
	}
	f("", "a")
	f("a", "b")
	f("a2", "a10")
	f("a2b", "a02c")
	f("node9.x", "node10.a")
	f("a", "a1")
	f("99999999999999999999998", "99999999999999999999999")
}

// An order is one: it has no cycles.
func TestNaturalOrderIsTransitive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() (s string) {
		for range r.IntN(4) {
			s += []string{"a", "b", "0", "1", "10", "."}[r.IntN(6)]
		}
		return s
	}
	for range 20000 {
		a, b, c := word(), word(), word()
		if natural(a, b) <= 0 && natural(b, c) <= 0 && natural(a, c) > 0 {
			t.Fatalf("%q <= %q <= %q, but not %q <= %q", a, b, c, a, c)
		}
	}
}

func TestComponentsAreFilteredAndSorted(t *testing.T) {
	all := []componentRow{
		{ID: "b.x", Module: "root", State: "healthy", Message: "fine", Since: noon},
		{ID: "a.x", Module: "root", State: "unhealthy", Message: "Refused by the store", Since: noon.Add(1)},
		{ID: "m/c10.x", Module: "m", State: "healthy", Since: noon.Add(3)},
		{ID: "m/c9.x", Module: "m", State: "exited", Since: noon.Add(2)},
	}
	f := func(path, want string) {
		t.Helper()
		got := ""
		for _, row := range listComponents(linkTo(path), all).Rows {
			got += row.ID + " "
		}
		if got != want {
			t.Errorf("%s lists %q; want %q", path, got, want)
		}
	}
	f("/", "a.x b.x m/c9.x m/c10.x ")
	f("/?sort=-id", "m/c10.x m/c9.x b.x a.x ")
	f("/?sort=health", "a.x m/c9.x b.x m/c10.x ")
	f("/?sort=-since", "m/c10.x m/c9.x a.x b.x ")
	f("/?q=STORE+a", "a.x ")
	f("/?module=m&health=healthy", "m/c10.x ")
	f("/?q=nothing", "")
}

func TestALongListComesInParts(t *testing.T) {
	var all []componentRow
	for i := range componentRows + 7 {
		all = append(all, componentRow{ID: "c" + strconv.Itoa(i), State: "healthy"})
	}
	p := listComponents(linkTo("/?offset="+strconv.Itoa(componentRows)), all)
	if len(p.Rows) != 7 || p.Rows[0].ID != "c"+strconv.Itoa(componentRows) || p.Pager.Next != "" {
		t.Errorf("the second part has %d rows, the first %v", len(p.Rows), p.Rows[0])
	}
}
