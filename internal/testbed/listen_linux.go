package testbed

import (
	"context"
	"net"
	"syscall"
)

// listenLoopback listens on the port of addr at every address of the loopback
// device, and of no other.
func listenLoopback(network, addr string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	bind := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bound error
		err := c.Control(func(fd uintptr) {
			bound = syscall.BindToDevice(int(fd), "lo")
		})
		if err != nil {
			return err
		}
		return bound
	}}
	return bind.Listen(context.Background(), network, net.JoinHostPort("0.0.0.0", port))
}
