package graph

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean returns "; did you mean "x"?" for the candidate nearest to name,
// or the empty string if none is near.
func didYouMean(name string, candidates []string) string {
	if best := nearest(name, candidates); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// nearest returns the candidate that differs least from name, or "" if all of
// them differ in more than a third of it. Of several, it is the first by name.
func nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(name, c); d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// alike reports whether dotted names a and b may be the same one misspelt: each
// part of one is near to its part of the other. Where only the beginning is the
// same, as with prometheus.exporter.unix and prometheus.exporter.self, the one
// is not meant by the other.
func alike(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	if len(x) != len(y) {
		return distance(a, b) <= 2
	}
	for i := range x {
		if nearest(x[i], y[i:i+1]) == "" {
			return false
		}
	}
	return true
}

// kin returns the names that share most parts with name, at least the first,
// sorted; none if there is none.
func kin(name string, names []string) []string {
	for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		var out []string
		for _, n := range names {
			if strings.HasPrefix(n, name[:i+1]) {
				out = append(out, n)
			}
		}
		if len(out) > 0 {
			slices.Sort(out)
			return slices.Compact(out)
		}
	}
	return nil
}

// distance is the number of bytes to insert, delete, replace or swap with a
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
