//go:build !linux

package schedule

import (
	"errors"
	"time"
)

// A kernelTimer cannot be had here.
type kernelTimer struct{ rung chan time.Time }

func openKernelTimer() (*kernelTimer, error) { return nil, errors.ErrUnsupported }

func (k *kernelTimer) set(time.Duration) {}
func (k *kernelTimer) close()            {}
