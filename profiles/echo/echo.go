// Package echo prints what profiles say, for people who look for a mistake in
// their configuration.
//
// A profile becomes one line: when it ended, its labels, its size, how long it
// lasted, and the sum of each of its values:
//
//	2026-11-22T19:00:15Z {__name__="memory", service_name="shop"} 4096 bytes, 15s, 37 samples: alloc_objects=1200 count, alloc_space=65536 bytes
//
// Invariant: what cannot be read as a profile is said to be so, and is no error.
package echo

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/divvy-collector/divvy/profiles"
)

// maxProfile bounds what is read of a profile, in bytes, inflated.
const maxProfile = 64 << 20

// A Sink prints profiles. It is a profiles.Sink; any number of goroutines may
// use it at the same time.
type Sink struct {
	mu sync.Mutex
	w  io.Writer
}

// New returns a sink that prints to w.
func New(w io.Writer) *Sink { return &Sink{w: w} }

// Append prints list. An error is that of the writer.
func (s *Sink) Append(_ context.Context, list []profiles.Profile) error {
	var text strings.Builder
	for _, p := range list {
		text.WriteString(line(p))
		text.WriteByte('\n')
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.w, text.String()); err != nil {
		return fmt.Errorf("print profiles: %w", err)
	}
	return nil
}

// line returns what p says.
func line(p profiles.Profile) string {
	at := p.At
	if at.IsZero() {
		at = time.Now()
	}
	head := fmt.Sprintf("%s %s %d bytes", at.UTC().Format(time.RFC3339), p.Labels, len(p.Raw))
	if p.Ingest != nil {
		return head + ", pushed to /ingest: format " + format(p.Ingest)
	}
	said, err := summary(p.Raw)
	if err != nil {
		return fmt.Sprintf("%s, not a profile: %q", head, err)
	}
	return head + ", " + said
}

// format returns the parameter of that name; without it text is meant.
func format(in *profiles.Ingest) string {
	if f := in.Query.Get("format"); f != "" {
		return fmt.Sprintf("%q", f)
	}
	return "folded"
}

var errLarge = errors.New("too large to be printed")

// summary returns the sums of a profile's values.
func summary(raw []byte) (string, error) {
	plain, err := inflate(raw)
	if err != nil {
		return "", err
	}
	p, err := profile.ParseUncompressed(plain)
	if err != nil {
		return "", err
	}
	sums := make([]int64, len(p.SampleType))
	for _, s := range p.Sample {
		for i := range sums {
			sums[i] += s.Value[i]
		}
	}
	var values []string
	for i, t := range p.SampleType {
		values = append(values, fmt.Sprintf("%s=%d %s", t.Type, sums[i], t.Unit))
	}
	return fmt.Sprintf("%s, %d samples: %s", time.Duration(p.DurationNanos), len(p.Sample), strings.Join(values, ", ")), nil
}

// inflate returns raw without its gzip, if it has one.
func inflate(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxProfile+1))
	if err == nil && len(plain) > maxProfile {
		err = errLarge
	}
	return plain, err
}
