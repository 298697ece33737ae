package profiles

import (
	"context"
	"errors"
	"testing"
)

// A stub takes profiles or fails.
type stub struct {
	n    int
	fail error
}

func (s *stub) Append(_ context.Context, list []Profile) error {
	if s.fail == nil {
		s.n += len(list)
	}
	return s.fail
}

// A sink that fails keeps nothing from the others, and its error comes back.
func TestFanoutReachesTheOthers(t *testing.T) {
	broken := &stub{fail: errors.New("broken")}
	a, b := &stub{}, &stub{}
	err := Fanout([]Sink{a, broken, b}).Append(t.Context(), make([]Profile, 3))
	if !errors.Is(err, broken.fail) || a.n != 3 || b.n != 3 {
		t.Errorf("%v; %d and %d profiles", err, a.n, b.n)
	}
	if err := Fanout(nil).Append(t.Context(), make([]Profile, 3)); err != nil {
		t.Error(err)
	}
	if Fanout([]Sink{a}) != Sink(a) {
		t.Error("a single sink is wrapped")
	}
}
