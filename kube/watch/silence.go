package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"time"
)

// Pauses between two questions that nobody answers.
const (
	minSilence = time.Second
	maxSilence = 8 * time.Second
)

// persist calls ask until a server answers it, be it with a refusal, or ctx is
// done. It returns the last error.
//
// The library would do so too, but with pauses that grow to a minute, which it
// still keeps when the server is back. What the server answers is left to it: a
// server that says no is not to be asked often.
func persist(ctx context.Context, ask func() error) error {
	for pause := minSilence; ; pause = min(2*pause, maxSilence) {
		err := ask()
		if !unanswered(err) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) // not all nodes at once
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// unanswered reports whether a question did not reach a server: the connection
// was refused, or broke.
func unanswered(err error) bool {
	var transport *url.Error
	return errors.As(err, &transport) && !errors.Is(err, context.Canceled)
}
