package telemetry

import "context"

// A Deliverer is a Sink that knows what has become of what it took.
type Deliverer interface {
	// Delivered returns nil once nothing that was appended before the call can
	// arrive any more after something that is sent from now on: receivers have
	// it, or refused it. It returns the reason if that cannot be, or ctx's
	// error.
	Delivered(ctx context.Context) error
}

// Delivered waits until s has delivered what was appended to it before. A sink
// that is no Deliverer has delivered what it has committed.
func Delivered(ctx context.Context, s Sink) error {
	if d, ok := s.(Deliverer); ok {
		return d.Delivered(ctx)
	}
	return s.Flush(ctx)
}
