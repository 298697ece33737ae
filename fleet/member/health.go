package member

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// A Peer is a node of the cluster as this one sees it.
type Peer struct {
	Name  string
	Addr  string       // host:port
	State string       // viewer, participant or terminating
	Self  bool         // it is this node
	Entry roster.Entry // what it says of itself; no Instance: it is of other software

	Skew  time.Duration // its clock less ours, if Timed
	Timed bool          // Skew is known
}

// Peers returns the living nodes by name, this one included, of whatever
// software.
func (n *Node) Peers() []Peer {
	now := time.Now().Round(0)
	n.mu.Lock()
	defer n.mu.Unlock()
	self := n.roster.Self()
	list := []Peer{{Name: self.Name, Addr: self.Addr, State: stateOf(self, now).String(), Self: true, Entry: self}}
	skews := n.roster.Skews(now)
	for _, e := range n.roster.Living(now) {
		skew, timed := skews[e.Name]
		list = append(list, Peer{Name: e.Name, Addr: e.Addr, State: stateOf(e, now).String(), Entry: e, Skew: skew, Timed: timed})
	}
	for name, k := range n.known {
		if k.life == 0 {
			list = append(list, Peer{Name: name, Addr: k.addr, State: n.states.Of(name).String()})
		}
	}
	slices.SortStableFunc(list, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Health returns nil, or all that keeps this node from its part in the
// cluster: a name that is taken, a clock that is off, peers that were expected
// and not found, a withdrawal, too few members.
func (n *Node) Health() error {
	now := time.Now().Round(0)
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	switch n.roster.Stage() {
	case roster.Displaced:
		errs = append(errs, fmt.Errorf("another node has the name %q: give each its own with --cluster.node-name (%s)", n.cfg.Name, cmp.Or(n.roster.Rival(), "address not known")))
	case roster.Fenced:
		errs = append(errs, errors.New("withdrawn after a stop; joining again"))
	}
	if skew := n.roster.Skew(now); skew.Abs() > skewWarning {
		errs = append(errs, errWrongClock(skew))
	}
	if n.alone != "" {
		errs = append(errs, fmt.Errorf("peers were expected and none was found: %s", n.alone))
	}
	if since, below := n.view.Load().Below(now); below {
		errs = append(errs, fmt.Errorf("fewer than %d members since %s", n.cfg.Quorum.Size, since.Format(time.RFC3339)))
	}
	return errors.Join(errs...)
}

// errWrongClock says which way this node's clock is wrong. skew is the median of
// the peers' clocks less its own.
func errWrongClock(skew time.Duration) error {
	way := "behind"
	if skew < 0 {
		way = "ahead of"
	}
	return fmt.Errorf("clock is %s %s the median of the peers'", skew.Abs().Round(time.Millisecond), way)
}
