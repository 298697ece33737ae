package member

import "time"

// Skews returns each living peer's clock less this node's, by name, as far as
// it was measured.
func (n *Node) Skews() map[string]time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.roster.Skews(time.Now().Round(0))
}
