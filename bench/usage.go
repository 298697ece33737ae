package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what a process took, second by second: MiB by the names of
// /proc/PID/status, and the CPU time so far as "CPU", in seconds.
type usage []map[string]float64

// watch looks at cmd at the end of each second, after what event does then.
func (p plan) watch(ctx context.Context, cmd *exec.Cmd, seconds int, event func(second int) error) (usage, error) {
	var list usage
	end := time.Now()
	for second := range seconds {
		if err := event(second); err != nil {
			return nil, err
		}
		end = end.Add(time.Second)
		if err := sleep(ctx, time.Until(end)); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			return nil, fmt.Errorf("read memory: %w", err)
		}
		at := parseStatus(string(text))
		if at["VmRSS"] == 0 {
			return nil, fmt.Errorf("the collector ended: see the log in %s", filepath.Join(p.cache, "run"))
		}
		if at["CPU"], err = cpu(cmd.Process.Pid); err != nil {
			return nil, err
		}
		list = append(list, at)
	}
	return list, nil
}

// parseStatus returns the sizes that /proc/PID/status holds, in MiB.
func parseStatus(text string) map[string]float64 {
	at := map[string]float64{}
	for line := range strings.Lines(text) {
		name, kilobytes, _ := strings.Cut(line, ":")
		if n, ok := strings.CutSuffix(strings.TrimSpace(kilobytes), " kB"); ok {
			v, _ := strconv.ParseFloat(n, 64)
			at[name] = v / 1024
		}
	}
	return at
}

func (u usage) mean(name string) float64 {
	sum := 0.0
	for _, at := range u {
		sum += at[name]
	}
	return sum / float64(max(len(u), 1))
}

func (u usage) max(name string) float64 {
	most := 0.0
	for _, at := range u {
		most = max(most, at[name])
	}
	return most
}

// peak returns the most CPU time that any span of so many seconds took, as a
// multiple of what the median span took that ended before the given second; 0
// if there are too few spans to say.
func (u usage) peak(span, before int) float64 {
	var spans, usual []float64
	for i := span; i < len(u); i++ {
		spent := u[i]["CPU"] - u[i-span]["CPU"]
		spans = append(spans, spent)
		if i < before {
			usual = append(usual, spent)
		}
	}
	middle := median(usual)
	if len(spans) < span || middle == 0 {
		return 0
	}
	return slices.Max(spans) / middle
}

// median returns the median of values, or 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
