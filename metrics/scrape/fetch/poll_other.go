//go:build !linux

package fetch

import (
	"errors"
	"time"
)

// A poller cannot be had here.
type poller struct{}

var errWait = errors.New("nothing to read yet")

func (p *poller) open() error           { return errors.ErrUnsupported }
func (p *poller) close()                {}
func (p *poller) add(int) error         { return errors.ErrUnsupported }
func (p *poller) remove(int)            {}
func (p *poller) ready(bool) []int32    { return nil }
func (p *poller) setDeadline(time.Time) {}
func (p *poller) interrupt()            {}

func read(int, []byte) (int, error)   { return 0, errors.ErrUnsupported }
func write(int, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func duplicate(uintptr) (int, error)  { return 0, errors.ErrUnsupported }
func closeDescriptor(int)             {}
func (p *poller) sleep(time.Duration) {}
