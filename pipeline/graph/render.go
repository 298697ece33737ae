package graph

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/alloy/syntax/diag"
)

// Render writes ds for people: each with the line of source that it is about
// and carets below the offending text. sources are the files by name, as given
// to Parse; a file that is not among them is named without its line.
//
//	Error: main.alloy:3:2: unknown argument "forwrd_to"; did you mean "forward_to"?
//	  |
//	3 |   forwrd_to = []
//	  |   ^^^^^^^^^
func Render(w io.Writer, sources map[string][]byte, ds diag.Diagnostics) error {
	var b bytes.Buffer
	for i, d := range ds {
		if i > 0 {
			b.WriteByte('\n')
		}
		kind := "Error"
		if d.Severity == diag.SeverityLevelWarn {
			kind = "Warning"
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", kind, d.StartPos, d.Message)
		renderLine(&b, sources[d.StartPos.Filename], d)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// renderLine writes the line at which d starts, with carets below it.
func renderLine(b *bytes.Buffer, source []byte, d diag.Diagnostic) {
	lines := strings.Split(string(source), "\n")
	n := d.StartPos.Line
	if n < 1 || n > len(lines) || source == nil {
		return
	}
	line := strings.TrimSuffix(lines[n-1], "\r")
	from := min(max(d.StartPos.Column-1, 0), len(line))
	to := from + 1
	if d.EndPos.Line == n {
		to = max(to, d.EndPos.Column)
	} else if d.EndPos.Line > n {
		to = len(line)
	}
	to = max(min(to, len(line)), from)
	number := strconv.Itoa(n)
	margin := strings.Repeat(" ", len(number))
	carets := strings.Repeat("^", max(1, len([]rune(untab(line[from:to])))))
	fmt.Fprintf(b, "%s |\n%s | %s\n%s | %s%s\n", margin, number, untab(line), margin,
		strings.Repeat(" ", len([]rune(untab(line[:from])))), carets)
}

// untab makes the width of a line the same on every terminal, and keeps what
// is no text off it.
func untab(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\t", "  ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// Sort orders ds by file, line and column, and drops repetitions.
func Sort(ds diag.Diagnostics) diag.Diagnostics {
	slices.SortStableFunc(ds, func(a, b diag.Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.StartPos.Filename, b.StartPos.Filename),
			cmp.Compare(a.StartPos.Line, b.StartPos.Line),
			cmp.Compare(a.StartPos.Column, b.StartPos.Column),
		)
	})
	return slices.CompactFunc(ds, func(a, b diag.Diagnostic) bool {
		return a.StartPos == b.StartPos && a.Message == b.Message
	})
}
