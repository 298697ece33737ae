package roster

import "testing"

func TestAnotherConfigurationIsAnnouncedOnce(t *testing.T) {
	r := me("a")
	r.pulse(at(0), "a")
	r.Ready(at(0))
	before := r.Self()
	r.did()
	r.SetConfig(at(1), 7)
	if got := r.did(); got != "announce, tell a" {
		t.Error(got)
	}
	if s := r.Self(); s.Config != 7 || s.Seq != before.Seq+1 || !s.From.Equal(before.From) {
		t.Errorf("%+v", s)
	}
	r.SetConfig(at(2), 7)
	if got := r.did(); got != "" {
		t.Error(got)
	}
}
