package remote

// Opened reports whether the logs of all endpoints are open: what is appended
// from now on survives a crash. Run opens them.
func (w *Writer) Opened() bool {
	for _, e := range w.state.Load().endpoints {
		select {
		case <-e.opened:
		default:
			return false
		}
	}
	return true
}
