package micro

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rest is the time between two wake-ups: 40 a second.
const rest = 25 * time.Millisecond

// BenchmarkWake wakes up from idleness: by a timer of the runtime, and by a
// thread that the kernel wakes.
func BenchmarkWake(b *testing.B) {
	b.Run("timer", func(b *testing.B) {
		timer := time.NewTimer(0)
		measure(b, "wake", 1, func() {
			<-timer.C
			timer.Reset(rest)
		})
	})
	b.Run("poll", func(b *testing.B) {
		measure(b, "wake", 1, func() {
			if _, err := unix.Poll(nil, int(rest.Milliseconds())); err != nil && err != unix.EINTR {
				b.Fatal(err)
			}
		})
	})
}
