package exposition

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// parseMeta reads a line that has its # before i.
//
//	# HELP name text
//	# TYPE name type
//
// Everything else behind a # is a comment.
func (l *Line) parseMeta(b []byte, i int) error {
	l.Kind = Comment
	end := bytes.IndexByte(b[i:], '\n')
	if end < 0 {
		return errEnd
	}
	l.Size = i + end + 1
	at := blanks(b, i)
	if at == i {
		return nil
	}
	switch {
	case keyword(b[at:], "HELP"):
		l.Kind = Help
	case keyword(b[at:], "TYPE"):
		l.Kind = Type
	default:
		return nil
	}
	return l.parseFamily(b, blanks(b, at+len("HELP")))
}

// keyword reports whether b begins with word and a blank.
func keyword(b []byte, word string) bool {
	n := len(word)
	return len(b) > n && string(b[:n]) == word && (b[n] == ' ' || b[n] == '\t')
}

// parseFamily reads the family's name at i and the rest of the line. One byte
// separates the two, whatever it is.
func (l *Line) parseFamily(b []byte, i int) error {
	end := word(b, i, true)
	l.Family = b[i:end]
	if i < len(b) && b[i] == '"' {
		var err error
		if end, err = quoted(b, i); err != nil {
			return err
		}
		l.Family = b[i+1 : end-1]
	} else if end == i {
		return expected("a metric name behind the keyword", b[i:])
	}
	stop := bytes.IndexByte(b[end:], '\n')
	if stop < 0 {
		return errEnd
	}
	l.Size = end + stop + 1
	if blanks(b, end) < end+stop { // blanks alone are no text
		l.Meaning = b[end+1 : end+stop]
	}
	if l.Kind == Type {
		return l.parseType()
	}
	if !utf8.Valid(l.Meaning) {
		return fmt.Errorf("help text %q is not valid UTF-8", l.Meaning)
	}
	return nil
}

// parseType sets Metric from the type's name.
func (l *Line) parseType() error {
	switch string(l.Meaning) {
	case "counter":
		l.Metric = model.MetricTypeCounter
	case "gauge":
		l.Metric = model.MetricTypeGauge
	case "histogram":
		l.Metric = model.MetricTypeHistogram
	case "summary":
		l.Metric = model.MetricTypeSummary
	case "untyped":
		l.Metric = model.MetricTypeUnknown
	default:
		return fmt.Errorf("unknown metric type %q", l.Meaning)
	}
	return nil
}

var helpEscapes = strings.NewReplacer(`\\`, `\`, `\n`, "\n")

// HelpText returns the help text of a Help line, without its escapes.
func (l *Line) HelpText() string {
	if bytes.IndexByte(l.Meaning, '\\') < 0 {
		return string(l.Meaning)
	}
	return helpEscapes.Replace(string(l.Meaning))
}
