package fleet

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A tone is how a piece of text is meant.
type tone int

const (
	plain tone = iota
	good
	bad
	faint
)

// codes are the escape sequences of the tones.
var codes = map[tone]string{good: "\x1b[32m", bad: "\x1b[1;31m", faint: "\x1b[2m"}

// A paper is what a command writes on.
type paper struct {
	w       io.Writer
	columns int  // of a terminal; 0: as wide as it takes
	colours bool // may be used
}

// openPaper looks at what out is. NO_COLOR is respected.
func openPaper(out io.Writer, getenv func(string) string) paper {
	p := paper{w: out}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.colours = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
		p.columns = max(columns, 60)
	}
	return p
}

// line writes a line.
func (p paper) line(format string, args ...any) { p.raw(clean(fmt.Sprintf(format, args...))) }

// say writes a line in a tone.
func (p paper) say(t tone, format string, args ...any) {
	p.raw(p.tinted(t, clean(fmt.Sprintf(format, args...))))
}

// raw writes a line that is clean already.
func (p paper) raw(text string) { fmt.Fprintln(p.w, text) }

// clean returns text without control characters other than the ends of lines:
// what targets and servers say must not steer a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return utf8.RuneError
		}
		return r
	}, text)
}

// inCell returns text as it fits into one line.
func inCell(text string) string { return clean(strings.ReplaceAll(text, "\n", " ")) }

// tinted returns text in a tone.
func (p paper) tinted(t tone, text string) string {
	if code := codes[t]; p.colours && code != "" {
		return code + text + "\x1b[0m"
	}
	return text
}

// A column of a table.
type column struct {
	title string
	right bool // numbers are aligned at their end
	least int  // width down to which it may be cut; 0: never cut
	tail  bool // its end says more than its beginning, which is cut
}

// A cell of a table.
type cell struct {
	text string
	tone tone
}

// cells makes plain cells.
func cells(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, t := range texts {
		row[i].text = t
	}
	return row
}

// A table is rows below titles. A column whose cells are all empty is left out.
type table struct {
	columns []column
	rows    [][]cell
}

// add adds a row with a cell for each column.
func (t *table) add(row ...cell) {
	for i := range row {
		row[i].text = inCell(row[i].text)
	}
	t.rows = append(t.rows, row)
}

// gap is between two columns.
const gap = "  "

// write writes the table on p, cut to the width of a terminal if it can be.
func (t *table) write(p paper) {
	t.dropEmpty()
	widths := t.widths(p.columns)
	titles := make([]cell, len(t.columns))
	for i, c := range t.columns {
		titles[i] = cell{c.title, faint}
	}
	for _, row := range append([][]cell{titles}, t.rows...) {
		p.raw(t.format(p, row, widths))
	}
}

// dropEmpty leaves out the columns without any text.
func (t *table) dropEmpty() {
	for i := len(t.columns) - 1; i >= 0; i-- {
		if slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != "" }) {
			continue
		}
		t.columns = slices.Delete(slices.Clone(t.columns), i, i+1)
		for r := range t.rows {
			t.rows[r] = slices.Delete(t.rows[r], i, i+1)
		}
	}
}

// widths returns the width of each column. Where all of them do not fit into
// limit, the widest that may be cut gives way first; 0 is no limit.
func (t *table) widths(limit int) []int {
	widths := make([]int, len(t.columns))
	sum := len(gap) * (len(t.columns) - 1)
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.title)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
		sum += widths[i]
	}
	for ; limit > 0 && sum > limit; sum-- {
		widest := -1
		for i, c := range t.columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// format returns a row as a line.
func (t *table) format(p paper, row []cell, widths []int) string {
	var b strings.Builder
	for i, c := range row {
		text := cut(c.text, widths[i], t.columns[i].tail)
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		switch {
		case t.columns[i].right:
			b.WriteString(pad + p.tinted(c.tone, text))
		case i == len(row)-1:
			b.WriteString(p.tinted(c.tone, text))
		default:
			b.WriteString(p.tinted(c.tone, text) + pad)
		}
		if i < len(row)-1 {
			b.WriteString(gap)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// cut returns text in at most so many columns, with an ellipsis for what is left
// out: the end, or the beginning if the tail counts.
func cut(text string, columns int, tail bool) string {
	runes := []rune(text)
	left := len(runes) - columns + 1
	switch {
	case len(runes) <= columns:
		return text
	case tail:
		return "…" + string(runes[left:])
	}
	return string(runes[:columns-1]) + "…"
}
