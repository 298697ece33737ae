package watch

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// A server that is away is asked every few seconds, so that its return is seen
// soon; what it answers is passed on at once.
func TestSilentServerIsAskedUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &url.Error{Op: "Get", URL: "https://x", Err: errors.New("connection refused")}
		began, asked := time.Now(), 0
		err := persist(t.Context(), func() error {
			if asked++; time.Since(began) < 2*time.Minute {
				return silent
			}
			return nil
		})
		if took := time.Since(began); err != nil || took > 2*time.Minute+maxSilence || asked > 40 {
			t.Errorf("%v after %s and %d questions", err, took, asked)
		}

		no := errors.New("forbidden")
		began = time.Now()
		if err := persist(t.Context(), func() error { return no }); err != no || time.Since(began) > 0 {
			t.Errorf("a refusal gives %v after %s", err, time.Since(began))
		}

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := persist(ctx, func() error { return silent }); !errors.Is(err, silent) || ctx.Err() == nil {
			t.Errorf("an end while nobody answers gives %v", err)
		}
	})
}
