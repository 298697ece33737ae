package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// A network is a switch in this process's network namespace, with the targets
// and the receiver at it, and a namespace for each node:
//
//	world .1 ──┬── switch ──┬── a .2
//	           │            ├── b .3
//	                        └── c .4
//
// What a node sends to another one is cut off by giving it a wrong hardware
// address for it: the switch drops such frames, in that direction only, and
// nobody is told.
type network struct {
	t      *testing.T
	prefix string // of the names of namespaces and links
	subnet string // of four; the last number of an address follows
	first  int    // number of the world
}

// networks numbers the networks of this process.
var networks atomic.Int32

// nowhere is a hardware address that nobody has.
const nowhere = "02:00:00:00:00:99"

// newNetwork makes a network for that many nodes, at most 13, until the test
// ends. Where that is not allowed the test is skipped.
func newNetwork(t *testing.T, nodes int) *network {
	t.Helper()
	if testing.Short() {
		t.Skip("runs processes for seconds")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("network namespaces need iproute2: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	id, pid := int(networks.Add(1)), os.Getpid()
	n := &network{t: t, prefix: fmt.Sprintf("dv%d-%d", pid%1e6, id),
		subnet: fmt.Sprintf("198.%d.%d.", 18+pid/256%2, pid%256), first: 16*id%256 + 1}
	link := n.prefix
	if out, err := exec.Command("ip", "link", "add", link, "type", "bridge", "forward_delay", "0").CombinedOutput(); err != nil {
		t.Skipf("network namespaces are not allowed here: %v: %s", err, out)
	}
	t.Cleanup(func() { n.ip("link", "del", link) })
	n.ip("addr", "add", n.addr(-1)+"/28", "dev", link)
	n.ip("link", "set", link, "up")
	for i := range nodes {
		n.plug(i)
	}
	return n
}

// plug makes the namespace of a node and connects it.
func (n *network) plug(i int) {
	n.t.Helper()
	space := n.space(i)
	n.ip("netns", "add", space)
	n.t.Cleanup(func() { n.ip("netns", "del", space) })
	n.ip("link", "add", space, "type", "veth", "peer", "name", "eth0", "netns", space)
	n.ip("link", "set", space, "master", n.prefix, "up")
	n.ip("-n", space, "addr", "add", n.addr(i)+"/28", "dev", "eth0")
	n.ip("-n", space, "link", "set", "lo", "up")
	n.ip("-n", space, "link", "set", "eth0", "up")
}

// space returns the name of a node's namespace, and of the switch's port to it.
func (n *network) space(i int) string { return fmt.Sprintf("%s%c", n.prefix, 'a'+i) }

// addr returns the address of a node; -1 is the world.
func (n *network) addr(i int) string { return fmt.Sprintf("%s%d", n.subnet, n.first+1+i) }

// cut drops what node from sends to node to.
func (n *network) cut(from, to int) {
	n.t.Helper()
	n.ip("-n", n.space(from), "neigh", "replace", n.addr(to), "lladdr", nowhere, "dev", "eth0", "nud", "permanent")
}

// mend ends a cut.
func (n *network) mend(from, to int) {
	n.t.Helper()
	n.ip("-n", n.space(from), "neigh", "del", n.addr(to), "dev", "eth0")
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
