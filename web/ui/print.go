package ui

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/divvy-collector/divvy/web/ui/human"
)

// functions are what templates may call.
func (u *UI) functions() template.FuncMap {
	return template.FuncMap{
		"href":    u.href,
		"asset":   u.files.url,
		"badge":   badge,
		"ago":     func(t time.Time) template.HTML { return ago(u.cfg.Now(), t) },
		"clock":   func(t time.Time) template.HTML { return clock(u.cfg.Now(), t) },
		"count":   func(n any) string { return human.Count(int64(number(n))) },
		"short":   func(n any) template.HTML { return titled(human.Short(number(n)), exact(number(n))) },
		"rate":    func(n any) template.HTML { return titled(human.Rate(number(n)), exact(number(n))+" a second") },
		"bytes":   func(n any) template.HTML { return titled(human.Bytes(int64(number(n))), exact(number(n))+" bytes") },
		"span":    func(d time.Duration) template.HTML { return titled(human.Span(d), d.String()) },
		"plural":  plural,
		"heading": func(l link, key, name string) heading { return l.heading(key, name) },
	}
}

// href returns the URL of a page of ours: its path below the prefix, and a query
// of names and values in turn, of which empty values are left out.
func (u *UI) href(path string, query ...string) (string, error) {
	if len(query)%2 != 0 {
		return "", fmt.Errorf("make link to %s: name %q has no value", path, query[len(query)-1])
	}
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		if query[i+1] != "" {
			values.Set(query[i], query[i+1])
		}
	}
	return (&url.URL{Path: u.cfg.Prefix + path, RawQuery: values.Encode()}).String(), nil
}

// tone says how states look: good, bad, busy (on its way to another state) or
// dim (nothing is known or nothing is to be done).
func tone(state string) string {
	switch state {
	case "healthy", "up", "participant", "serving", "delivering":
		return "good"
	case "unhealthy", "down", "exited", "fenced", "displaced", "silent", "dead", "behind", "refused", "died", "conflict", "unowned":
		return "bad"
	case "joining", "leaving", "terminating":
		return "busy"
	}
	return "dim"
}

// badge returns a state, coloured.
func badge(state string) template.HTML {
	return template.HTML(`<span class="badge ` + tone(state) + `">` + template.HTMLEscapeString(state) + `</span>`)
}

// titled returns text whose full value appears where a pointer rests.
func titled(text, title string) template.HTML {
	if text == title {
		return template.HTML(template.HTMLEscapeString(text))
	}
	return template.HTML(`<span title="` + template.HTMLEscapeString(title) + `">` + template.HTMLEscapeString(text) + `</span>`)
}

// ago returns how long before now t was, or how long after now it will be.
func ago(now, t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="dim">never</span>`
	}
	return stamp(t, human.Ago(now, t))
}

// clock returns when t was: the time of day, with the date if that is not now's.
func clock(now, t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="dim">–</span>`
	}
	return stamp(t, human.Clock(now, t))
}

// stamp returns text that stands for t, which the browser shows in full.
func stamp(t time.Time, text string) template.HTML {
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339Nano) + `" title="` +
		human.Stamp(t) + `">` + text + `</time>`)
}

// exact returns f in full: whole numbers with commas.
func exact(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return human.Count(int64(f))
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

// plural returns n with its noun in the right number.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return human.Count(int64(n)) + " " + noun + "s"
}

// number returns what templates pass as a number.
func number(n any) float64 {
	switch n := n.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		return n
	}
	return math.NaN()
}
