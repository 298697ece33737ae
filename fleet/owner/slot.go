package owner

import "time"

// maxTick is the longest tick: a wake-up serves the targets of one tick.
const maxTick = 250 * time.Millisecond

// Tick returns the grid to which phases are rounded: 250 ms, or a twentieth of
// interval where that is shorter, and at least a millisecond. Waking once per
// target would cost more than scraping it.
func Tick(interval time.Duration) time.Duration {
	tick := min(maxTick, interval/20)
	return max(tick.Truncate(time.Millisecond), time.Millisecond)
}

// Phase returns the offset of key's slots within interval: key mod interval,
// in nanoseconds, rounded down to a Tick.
func Phase(key Key, interval time.Duration) time.Duration {
	return time.Duration(uint64(key) % uint64(interval)).Truncate(Tick(interval))
}

// Slot returns the latest slot of key at or before now.
func Slot(key Key, interval time.Duration, now time.Time) time.Time {
	phase := int64(Phase(key, interval))
	k := floorDiv(now.UnixNano()-phase, int64(interval))
	return time.Unix(0, k*int64(interval)+phase)
}

// NextSlot returns the first slot of key after now.
func NextSlot(key Key, interval time.Duration, now time.Time) time.Time {
	return Slot(key, interval, now).Add(interval)
}

// floorDiv is a/b rounded towards minus infinity, for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
