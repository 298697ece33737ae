package fleet

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// ago returns how long at is before or after now, in one unit or two, such as
// "3m ago"; "-" for the zero time.
func ago(now, at time.Time) string {
	switch d := now.Sub(at); {
	case at.IsZero():
		return "-"
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
		return "in " + span((-d).Truncate(time.Second))
	default:
		return span(d.Truncate(time.Second)) + " ago"
	}
}

// span returns d in the unit in which it is read best, without a space.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + span(-d)
	case d == 0:
		return "0s"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Trunc(d.Seconds()*10)/10), ".0") + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 10*time.Hour && d%time.Hour >= time.Minute:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d/day))
	}
}

// count returns n with its noun: "1 node", "1,234 nodes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// number returns n with its digits in groups of three.
func number(n int) string { return human.Count(int64(n)) }

// dash returns text, or a dash for none.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// short returns the beginning of a hash, enough to tell a handful of them apart.
func short(hash string) string { return hash[:min(len(hash), 8)] }

// warnSilent says who gave no answer, so that nobody takes the rest for all.
func (p paper) warnSilent(silent []report.Silent) {
	for _, s := range silent {
		where := s.Name
		if s.Addr != "" {
			where += " at " + s.Addr
		}
		p.say(bad, "%s gave no answer (%s): what only it knows is missing", where, s.Reason)
	}
}
