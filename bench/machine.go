package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A machine is what all processors together have done so far, in seconds.
type machine struct {
	busy   float64 // user, system and interrupts, of all processes
	stolen float64 // by the host of a virtual machine
}

// readMachine reads it from /proc/stat.
func readMachine() (machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}, fmt.Errorf("read the load of the machine: %w", err)
	}
	return parseMachine(string(text))
}

// parseMachine reads the first line of /proc/stat, in hundredths of a second:
//
//	cpu user nice system idle iowait irq softirq steal guest guest_nice
func parseMachine(text string) (m machine, err error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return m, fmt.Errorf("read the load of the machine: %q is not what /proc/stat begins with", line)
	}
	var seconds [8]float64
	for i := range seconds {
		n, err := strconv.ParseUint(fields[1+i], 10, 64)
		if err != nil {
			return m, fmt.Errorf("read the load of the machine: %w", err)
		}
		seconds[i] = float64(n) / 100
	}
	user, nice, system, irq, softirq, steal := seconds[0], seconds[1], seconds[2], seconds[5], seconds[6], seconds[7]
	return machine{busy: user + nice + system + irq + softirq, stolen: steal}, nil
}
