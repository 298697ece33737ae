package ui

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A link is the URL of the page shown. Pages with filters, an order or parts
// make the URLs of their variants from it.
type link struct {
	path  string
	query url.Values
}

// linkOf returns the link of what r asks for.
func linkOf(r *http.Request) link { return link{r.URL.EscapedPath(), r.URL.Query()} }

// Get returns a value of the query, or "".
func (l link) Get(name string) string { return l.query.Get(name) }

// With returns the URL of this page with names and values in turn set in its
// query; an empty value removes the name. Another variant begins at its first
// part.
func (l link) With(pairs ...string) string {
	query := maps.Clone(l.query)
	query.Del("offset")
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			query.Del(pairs[i])
		} else {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if len(query) == 0 {
		return l.path
	}
	return l.path + "?" + query.Encode()
}

// Offset returns how many rows are before the part shown.
func (l link) Offset() int {
	n, err := strconv.Atoi(l.Get("offset"))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// A heading is the head of a column that a table can be sorted by.
type heading struct {
	Name  string
	URL   string // of the table sorted by it, or the other way round if it is
	Order string // ascending, descending or none: how the table is sorted by it
}

// heading returns the head of the column key. "sort" in the query is a key, with
// "-" in front for descending.
func (l link) heading(key, name string) heading {
	switch l.Get("sort") {
	case key:
		return heading{name, l.With("sort", "-"+key), "ascending"}
	case "-" + key:
		return heading{name, l.With("sort", key), "descending"}
	}
	return heading{name, l.With("sort", key), "none"}
}

// A pager says which part of a list is shown, and where the parts beside it are.
type pager struct {
	First, Last, Matched int    // from 1
	Total                int    // without filters
	Previous, Next       string // "": there is none
}

// pager returns the pager of a list of which matched rows are left by filters
// and limit are shown.
func (l link) pager(limit, matched, total int) pager {
	offset := min(l.Offset(), max(0, matched-1))
	p := pager{First: min(offset+1, matched), Last: min(offset+limit, matched), Matched: matched, Total: total}
	if offset > 0 {
		p.Previous = l.With("offset", strconv.Itoa(max(0, offset-limit)))
	}
	if p.Last < matched {
		p.Next = l.With("offset", strconv.Itoa(p.Last))
	}
	return p
}

// part returns the rows that p shows.
func part[T any](rows []T, p pager) []T { return rows[max(0, p.First-1):p.Last] }

// An option is an entry of a select element.
type option struct {
	Value, Text string
	Selected    bool
}

// options returns an entry for all and one for each value, sorted.
func (l link) options(name, all string, values []string) []option {
	list := []option{{"", all, l.Get(name) == ""}}
	for _, v := range slices.Compact(slices.SortedFunc(slices.Values(values), natural)) {
		list = append(list, option{v, v, l.Get(name) == v})
	}
	return list
}

// natural compares as people do: numbers in names by their value.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingDigits(a), leadingDigits(b)
		if x != "" && y != "" {
			if c := cmp.Or(cmp.Compare(len(strings.TrimLeft(x, "0")), len(strings.TrimLeft(y, "0"))),
				strings.Compare(strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0"))); c != 0 {
				return c
			}
			a, b = a[len(x):], b[len(y):]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// leadingDigits returns the decimal digits that s begins with.
func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
