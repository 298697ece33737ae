package member

import (
	"testing"

	"go.uber.org/goleak"
)

// A probe of memberlist that is under way when it is shut down ends by its own
// timeout, some seconds later.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"))
}
