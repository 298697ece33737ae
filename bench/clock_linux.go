package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// cpu returns the user and system time of a process in seconds, threads that
// have ended included: from its CPU clock, which counts nanoseconds where
// /proc/PID/stat counts hundredths.
func cpu(pid int) (float64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return float64(ts.Nano()) / 1e9, nil
}
