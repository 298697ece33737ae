//go:build !linux

package testbed

import (
	"errors"
	"net"
)

// listenLoopback is for Linux, where a listener can be bound to a device.
func listenLoopback(string, string) (net.Listener, error) {
	return nil, errors.New("serve a thousand addresses: needs Linux")
}
