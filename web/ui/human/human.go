// Package human writes times, spans and numbers the way an operator reads them
// fastest: short, three digits where three are enough, a unit on each.
//
//	Ago(now, t)      3 s ago, in 12 s, never
//	Span(d)          850 µs, 12 ms, 3.2 s, 5 min, 2 h 5 min, 3 d 4 h
//	Count(n)         10,234
//	Short(f)         1.2k, 34M
//	Rate(f)          1.2k/s
//	Bytes(n)         43 MiB
//	Percent(f)       +12 %
//	Clock(now, t)    14:02:10, Nov 21 14:02, 2025-11-21 14:02
//	Stamp(t)         2026-11-22 14:02:10.123 UTC
//
// What is left out for the sake of brevity belongs beside it, in a title: Stamp
// and the plain number are the full values.
//
// All functions are pure; the time of the reader is an argument. Times are in
// UTC, as in logs, because nodes and readers of one fleet are in many zones.
package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Ago returns how long t is before or after now, or "never" for the zero time.
func Ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d.Abs() < 500*time.Millisecond:
		return "now"
	case d < 0:
		return "in " + coarse(-d)
	default:
		return coarse(d) + " ago"
	}
}

// coarse is Span for distances in time: never finer than a second.
func coarse(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	}
	return Span(d)
}

// Span returns d in the unit, or the two units, in which it is read best.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "−" + Span(-d)
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Trunc(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < day:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	default:
		return two(int(d/day), "d", int(d.Hours())%24, "h")
	}
}

// two joins a number of large units with one of small ones, if there are any.
func two(large int, unit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, smallUnit)
}

// Count returns n with its digits in groups of three.
func Count(n int64) string {
	if n < 0 {
		return "−" + Count(-n)
	}
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Short returns f with at most three digits and the letter of its thousands.
func Short(f float64) string {
	if f < 0 {
		return "−" + Short(-f)
	}
	n, unit := scale(f, 1000, []string{"", "k", "M", "G", "T", "P"})
	return n + unit
}

// Rate returns perSecond as a number a second.
func Rate(perSecond float64) string { return Short(perSecond) + "/s" }

// Bytes returns n in binary units.
func Bytes(n int64) string {
	number, unit := scale(float64(n), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
	return number + " " + unit
}

// scale divides f by step until it has at most three digits before the point,
// or units end. One digit follows the point where only one is before it.
func scale(f, step float64, units []string) (number, unit string) {
	i := 0
	for i+1 < len(units) && math.Round(f) >= min(step, 1000) {
		f /= step
		i++
	}
	if f < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0"), units[i]
	}
	return strconv.FormatFloat(f, 'f', 0, 64), units[i]
}

// Percent returns the share that is more, or less, than the whole: +12 %.
func Percent(fraction float64) string {
	n := math.Round(fraction * 100)
	switch {
	case n < 0:
		return fmt.Sprintf("−%.0f\u00a0%%", -n)
	case n > 0:
		return fmt.Sprintf("+%.0f\u00a0%%", n)
	default:
		return "±0\u00a0%"
	}
}

// Clock returns t as short as it is clear beside now; "" for the zero time.
func Clock(now, t time.Time) string {
	now, t = now.UTC(), t.UTC()
	switch {
	case t.IsZero():
		return ""
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("Jan 2 15:04")
	default:
		return t.Format("2006-01-02 15:04")
	}
}

// Stamp returns t to the millisecond; "" for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.000 UTC")
}
