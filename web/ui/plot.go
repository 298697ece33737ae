package ui

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/divvy-collector/divvy/web/ui/human"
)

// A plot is figures over time. The browser draws it; who does not see it reads
// its summary.
type plot struct {
	ID     string // of the element; unique in the page
	Title  string
	Unit   string // how values are printed: "", bytes, seconds or rate
	Times  []time.Time
	Curves []curve
}

// A curve is the values of one figure at the times of its plot.
type curve struct {
	Name   string  `json:"name"`
	Values figures `json:"values"`
	Tone   string  `json:"tone"` // one of those of badges, or "": a neutral one
	Points bool    `json:"points,omitempty"`
}

// figures are the values of a curve, which has a gap where one is NaN.
type figures []float64

// MarshalJSON returns the values, null for a gap.
func (f figures) MarshalJSON() ([]byte, error) {
	values := make([]*float64, len(f))
	for i := range f {
		if !math.IsNaN(f[i]) {
			values[i] = &f[i]
		}
	}
	return json.Marshal(values)
}

// JSON returns what plot.js draws.
func (p plot) JSON() (string, error) {
	times := make([]float64, len(p.Times))
	for i, t := range p.Times {
		times[i] = float64(t.UnixMilli()) / 1000
	}
	text, err := json.Marshal(struct {
		Title  string    `json:"title"`
		Unit   string    `json:"unit"`
		Times  []float64 `json:"times"`
		Curves []curve   `json:"curves"`
	}{p.Title, p.Unit, times, p.Curves})
	return string(text), err
}

// Summary returns the latest value of each curve in words.
func (p plot) Summary() string {
	text := p.Title
	for _, c := range p.Curves {
		if n := len(c.Values); n > 0 && !math.IsNaN(c.Values[n-1]) {
			text += fmt.Sprintf("; %s now %s", c.Name, p.format(c.Values[n-1]))
		}
	}
	return text
}

// format returns a value in the plot's unit.
func (p plot) format(v float64) string {
	switch p.Unit {
	case "bytes":
		return human.Bytes(int64(v))
	case "seconds":
		return human.Span(time.Duration(v * float64(time.Second)))
	case "rate":
		return human.Rate(v)
	}
	return human.Short(v)
}
