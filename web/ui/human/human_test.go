package human

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestAgoCountsBothWays(t *testing.T) {
	f := func(before time.Duration, want string) {
		t.Helper()
		if got := Ago(noon, noon.Add(-before)); got != want {
			t.Errorf("Ago(%s) = %q, want %q", before, got, want)
		}
	}
	f(0, "now")
	f(400*time.Millisecond, "now")
	f(3*time.Second, "3 s ago")
	f(-12300*time.Millisecond, "in 12 s")
	f(90*time.Second, "1 min ago")
	f(125*time.Minute, "2 h 5 min ago")
	if got := Ago(noon, time.Time{}); got != "never" {
		t.Errorf("Ago of no time = %q", got)
	}
}

func TestSpanNamesTheUnitThatFits(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := Span(d); got != want {
			t.Errorf("Span(%s) = %q, want %q", d, got, want)
		}
	}
	f(0, "0 s")
	f(850*time.Microsecond, "850 µs")
	f(12*time.Millisecond, "12 ms")
	f(3*time.Second, "3 s")
	f(3250*time.Millisecond, "3.2 s")
	f(9999*time.Millisecond, "9.9 s")
	f(59900*time.Millisecond, "59 s")
	f(5*time.Minute+59*time.Second, "5 min")
	f(2*time.Hour, "2 h")
	f(2*time.Hour+5*time.Minute, "2 h 5 min")
	f(76*time.Hour, "3 d 4 h")
	f(-time.Second, "−1 s")
}

func TestNumbersKeepThreeDigits(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(Count(0), "0")
	f(Count(999), "999")
	f(Count(10234), "10,234")
	f(Count(-1234567), "−1,234,567")
	f(Short(0), "0")
	f(Short(0.26), "0.3")
	f(Short(999), "999")
	f(Short(999.6), "1k")
	f(Short(1234), "1.2k")
	f(Short(12345), "12k")
	f(Short(34e6), "34M")
	f(Rate(1234), "1.2k/s")
	f(Bytes(0), "0 B")
	f(Bytes(1023), "1 KiB")
	f(Bytes(43<<20), "43 MiB")
	f(Bytes(1536), "1.5 KiB")
	f(Percent(0.123), "+12\u00a0%")
	f(Percent(-0.5), "−50\u00a0%")
	f(Percent(0.001), "±0\u00a0%")
}

func TestClockLeavesOutWhatIsClear(t *testing.T) {
	f := func(at time.Time, want string) {
		t.Helper()
		if got := Clock(noon, at); got != want {
			t.Errorf("Clock(%s) = %q, want %q", at, got, want)
		}
	}
	f(noon.Add(-time.Hour), "11:00:00")
	f(noon.Add(-13*time.Hour), "Nov 21 23:00")
	f(noon.AddDate(-1, 0, 0), "2025-11-22 12:00")
	f(time.Time{}, "")
	if got := Stamp(noon.Add(time.Millisecond)); got != "2026-11-22 12:00:00.001 UTC" {
		t.Errorf("Stamp = %q", got)
	}
}
