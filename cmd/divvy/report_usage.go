package main

import (
	"os"
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// usage measures what this process uses. Any number of goroutines may use it.
type usage struct {
	mu    sync.Mutex
	at    time.Time // of the last reading; zero: there was none
	total float64   // CPU seconds until then
	rate  float64   // cores between the last two readings
}

// minUsage is the shortest time over which CPU is measured: the kernel counts in
// hundredths of a second.
const minUsage = 500 * time.Millisecond

// read returns how many cores have been in use since the reading before, or
// since the start, and how much memory is resident, in bytes. What cannot be
// read is 0.
func (u *usage) read(now time.Time) (cores float64, rss int64) {
	proc, err := procfs.NewProc(os.Getpid())
	if err != nil {
		return 0, 0
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, 0
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at.IsZero() {
		if start, err := stat.StartTime(); err == nil {
			u.at = time.Unix(0, int64(start*1e9))
		}
	}
	if passed := now.Sub(u.at); passed >= minUsage {
		u.rate = (stat.CPUTime() - u.total) / passed.Seconds()
		u.at, u.total = now, stat.CPUTime()
	}
	return u.rate, int64(stat.ResidentMemory())
}
