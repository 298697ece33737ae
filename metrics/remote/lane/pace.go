package lane

import "math"

// A Pace is what the number of lanes is decided from, taken at each look.
type Pace struct {
	Lanes, Min, Max int     // lanes that samples are written for, and its bounds
	Senders         int     // lanes that are being delivered; they lag behind a change
	Backlog, Before int64   // samples that wait, now and at the last look
	Delivered       int64   // samples since the last look
	Capacity        int64   // samples that one lane reads ahead
	Busy            float64 // part of the time that the senders spent sending, 0 to 1
	Failing         bool    // the last request failed
}

// headroom is how much faster than what comes the senders are to be, so that a
// backlog gets smaller.
const headroom = 1.25

// Next returns the number of lanes to write from now on. More senders
// help where those there are have no time left and yet the backlog grows: then
// it is as many as what comes needs at the rate of each. A receiver that fails
// is not asked by more of them. Fewer do where they idle: every lane has blocks
// of its own, and small blocks compress badly.
func Next(p Pace) int {
	n := p.Lanes
	switch {
	case p.Failing:
	case p.Busy > 0.8 && p.Backlog > p.Capacity && p.Backlog >= p.Before && p.Delivered > 0:
		came := p.Backlog - p.Before + p.Delivered
		n = max(n, int(math.Ceil(headroom*float64(p.Senders)*float64(came)/float64(p.Delivered))))
	case p.Busy < 0.2 && p.Backlog < p.Capacity:
		n /= 2
	}
	return max(p.Min, min(n, p.Max))
}
