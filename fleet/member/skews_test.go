package member

import (
	"testing"
	"time"
)

func TestWrongClockIsSaidWithItsDirection(t *testing.T) {
	f := func(skew time.Duration, want string) {
		t.Helper()
		if got := errWrongClock(skew).Error(); got != want {
			t.Errorf("%s: %q; want %q", skew, got, want)
		}
	}
	f(-30*time.Second-44581, "clock is 30s ahead of the median of the peers'")
	f(1200*time.Millisecond, "clock is 1.2s behind the median of the peers'")
}
