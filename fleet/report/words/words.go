// Package words says lists and numbers as they stand in a sentence.
package words

import (
	"fmt"
	"strings"
)

// List joins names: "a, b and c". Of many it names the first few. No name is
// "nobody".
func List(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "nobody"
	case n == 1:
		return names[0]
	case n > 5:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:4], ", "), n-4)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// Verb returns the form of a verb that goes with n things: that of one, or that
// of many.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Count returns a number of things: "1 target", "2 targets".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
