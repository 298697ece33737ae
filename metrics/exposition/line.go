package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// Kind is what a line holds.
type Kind uint8

// Kinds of lines.
const (
	Blank   Kind = iota // nothing
	Comment             // text that means nothing
	Type                // the type of a family
	Help                // the help text of a family
	Series              // a sample of a series
)

// A Line is one line of a body. Its slices point into the body. The zero Line
// is ready for Parse; parsing line after line into one Line allocates nothing.
type Line struct {
	Kind Kind
	Size int // bytes, with the newline

	// Of Series:
	Text  []byte // series text: from the start of the line up to the tail
	Value float64
	T     int64 // Unix ms; only with HasT
	HasT  bool

	// Of Type and Help:
	Family  []byte
	Meaning []byte           // help text as it is written, or the type's name
	Metric  model.MetricType // of Type

	name  span
	pairs []pair
}

// A span is a part of the series text.
type span struct{ from, to int }

// A pair is a label: name and value, without quotes and as they are written.
type pair struct{ name, value span }

// errEnd is returned for a line that stops before it is complete.
var errEnd = errors.New("line ends early")

// Parse reads the line at the start of b. b ends in a newline and has no NUL
// byte. On an error the line is not usable; the error says what was expected.
func (l *Line) Parse(b []byte) error {
	*l = Line{pairs: l.pairs[:0]}
	i := blanks(b, 0)
	if i >= len(b) {
		return errEnd
	}
	switch b[i] {
	case '\n':
		l.Size = i + 1
		return nil
	case '#':
		return l.parseMeta(b, i+1)
	}
	return l.parseSeries(b, i)
}

// parseSeries reads the line of a series whose first mark is at i.
//
// The series text begins at the start of the line: blanks before a name belong
// to the name, as textparse has it, and make it invalid later.
func (l *Line) parseSeries(b []byte, i int) error {
	l.Kind = Series
	named := false
	if b[i] != '{' {
		end := word(b, i, true)
		if end == i {
			return expected("a metric name", b[i:])
		}
		l.name, named = span{0, end}, true
		l.Text = b[:end]
		i = blanks(b, end)
	}
	if i < len(b) && b[i] == '{' {
		end, err := l.parseLabels(b, i+1, named)
		if err != nil {
			return err
		}
		i, l.Text = end, b[:end]
	}
	v, t, n, err := Tail(b[len(l.Text):])
	if err != nil {
		return err
	}
	l.Value, l.Size = v, len(l.Text)+n
	if t != NoTime {
		l.T, l.HasT = t, true
	}
	return nil
}

// parseLabels reads labels from i, behind the opening brace, and returns the
// index behind the closing one. Among the labels a quoted string alone is the
// name of the metric; it is wanted unless named.
func (l *Line) parseLabels(b []byte, i int, named bool) (int, error) {
	for {
		i = blanks(b, i)
		if i < len(b) && b[i] == '}' {
			break
		}
		name, end, err := labelName(b, i)
		if err != nil {
			return 0, err
		}
		next := blanks(b, end)
		if b[i] == '"' && next < len(b) && (b[next] == ',' || b[next] == '}') {
			if named {
				return 0, errors.New("metric name is given twice")
			}
			l.name, named = name, true
			i = next
			if b[i] == ',' {
				i++
			}
			continue
		}
		val, end, err := labelValue(b, next)
		if err != nil {
			return 0, err
		}
		l.pairs = append(l.pairs, pair{name, val})
		if i = blanks(b, end); i < len(b) && b[i] == ',' {
			i++
		}
	}
	if !named {
		return 0, errors.New("metric name is missing")
	}
	return i + 1, nil
}

// labelName reads a label's name, quoted or not, at i.
func labelName(b []byte, i int) (name span, end int, err error) {
	if i < len(b) && b[i] == '"' {
		end, err = quoted(b, i)
		return span{i + 1, end - 1}, end, err
	}
	if end = word(b, i, false); end == i {
		return span{}, 0, expected("a label name", b[i:])
	}
	return span{i, end}, end, nil
}

// labelValue reads the equals sign at i and the value behind it.
func labelValue(b []byte, i int) (val span, end int, err error) {
	if i >= len(b) || b[i] != '=' {
		return span{}, 0, expected("an equals sign", b[min(i, len(b)):])
	}
	i = blanks(b, i+1)
	if i >= len(b) || b[i] != '"' {
		return span{}, 0, expected("a quoted label value", b[min(i, len(b)):])
	}
	if end, err = quoted(b, i); err != nil {
		return span{}, 0, err
	}
	if !utf8.Valid(b[i:end]) {
		return span{}, 0, fmt.Errorf("label value %q is not valid UTF-8", b[i:end])
	}
	return span{i + 1, end - 1}, end, nil
}

// quoted returns the index behind the closing quote of the string that opens
// at i. A string may hold newlines, but not escape one.
func quoted(b []byte, i int) (int, error) {
	for j := i + 1; j < len(b); j++ {
		switch b[j] {
		case '"':
			return j + 1, nil
		case '\\':
			if j++; j < len(b) && b[j] == '\n' {
				return 0, errors.New("a newline is escaped in a quoted string")
			}
		}
	}
	return 0, errEnd
}

// NoTime is what Tail returns for the timestamp of a line that has none.
const NoTime = -1 << 63

// Tail reads what follows a series text: a value, perhaps a timestamp in Unix
// ms (else NoTime), and a newline. n is the length of all of it.
func Tail(b []byte) (v float64, t int64, n int, err error) {
	i := blanks(b, 0)
	v, size := decimal(b[i:])
	end := i + size
	if size == 0 || end >= len(b) || b[end] > ' ' {
		end = i
		for end < len(b) && b[end] != ' ' && b[end] != '\t' && b[end] != '\n' && b[end] != '{' {
			end++
		}
		if v, err = Number(b[i:end]); err != nil {
			return 0, 0, 0, err
		}
	}
	if end < len(b) && b[end] == '\n' {
		return v, NoTime, end + 1, nil
	}
	t, n, err = timestamp(b, end)
	return v, t, n, err
}

// timestamp reads the rest of a line from i, where the value ends.
func timestamp(b []byte, i int) (t int64, n int, err error) {
	i = blanks(b, i)
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	t = NoTime
	if i > start {
		if t, err = strconv.ParseInt(view(b[start:i]), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("parse timestamp: %w", err)
		}
	}
	i = blanks(b, i)
	if i >= len(b) || b[i] != '\n' {
		return 0, 0, expected("a timestamp or a newline", b[i:])
	}
	return t, i + 1, nil
}

// blanks returns the index of the first byte at or after i that is neither a
// space nor a tab.
func blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}

// word returns the index behind the name at i: letters, underscores, with
// colons also those, and digits but for the first. It is i if there is none.
func word(b []byte, i int, colons bool) int {
	start := i
	for i < len(b) {
		c := b[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', c == ':' && colons:
		case c >= '0' && c <= '9' && i > start:
		default:
			return i
		}
		i++
	}
	return i
}

// expected says what was expected where rest begins.
func expected(what string, rest []byte) error {
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		rest = rest[:end+1]
	}
	return fmt.Errorf("expected %s, got %.40q", what, rest)
}
