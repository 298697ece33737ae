package telemetry

// A Committer is a Sink that collects what it takes before it commits, and may
// be told that nothing more comes soon.
type Committer interface {
	// CommitSoon makes the sink commit now what it would commit in a while. It
	// returns at once.
	CommitSoon()
}

// CommitSoon tells s that a group of batches is complete, so that it is
// committed in the wake-up in which it was made. Sinks that are no Committers do
// not mind.
func CommitSoon(s Sink) {
	if c, ok := s.(Committer); ok {
		c.CommitSoon()
	}
}
