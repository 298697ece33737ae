//go:build !linux

package post

import "net"

// A socket cannot be had here: a connection is used through its methods.
type socket struct{}

func newSocket(net.Conn) *socket                 { return nil }
func (s *socket) write(*[2][]byte, bool) error   { panic("BUG: use a socket that is none") }
func (s *socket) read([]byte) (n int, err error) { panic("BUG: use a socket that is none") }
func (s *socket) heard() bool                    { return false }
