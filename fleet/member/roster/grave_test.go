package roster

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// forgetful returns a roster that has forgotten a life of a, which ended as end
// says. If there is an heir, a later process has the name.
func forgetful(t *testing.T, heir bool, end func(*Entry)) *Roster {
	t.Helper()
	r := me("a", "b")
	over := serving("a")
	end(&over)
	r.Learn(at(0), over)
	if heir {
		anew := serving("a")
		anew.Addr, anew.Instance, anew.From = "elsewhere:1", NewInstance(at(1), 0), at(6)
		r.Learn(at(1), anew)
	}
	r.run(1.25, 90, func(now time.Time) { r.heardFrom(r.life("b", idOf("b")), now) })
	if r.life("a", idOf("a")) != nil {
		t.Fatal("it is not forgotten")
	}
	return r
}

// Two ways to end: announced, and found dead.
func left(e *Entry) { e.Seq, e.Until = 3, at(5) }
func dead(e *Entry) { e.Down, e.DownAt = true, at(0) }

func TestWhatIsOverStaysOver(t *testing.T) {
	f := func(heir bool, end func(*Entry), want string) {
		t.Helper()
		r := forgetful(t, heir, end)
		r.Learn(at(90), serving("a"))
		r.want(t, want)
		ended := serving("a")
		end(&ended)
		if diff := cmp.Diff(ended, r.life("a", idOf("a")).Entry); diff != "" {
			t.Errorf("who believes that it lives is told:\n%s", diff)
		}
	}
	f(false, left, "a -3600..5, b -3600")
	f(true, left, "a -3600..5, a 6, b -3600")
	f(true, dead, "a -3600..0, a 6, b -3600")
}

// Who was found dead by mistake, and not told, is taken in again.
func TestADeathWithoutAnHeirToTheNameIsInDoubt(t *testing.T) {
	r := forgetful(t, false, dead)
	r.Learn(at(90), serving("a"))
	r.want(t, "a -3600, b -3600")
}

// A life that goes on says so with a higher Seq.
func TestNewsOfALifeCountMoreThanItsGrave(t *testing.T) {
	r := forgetful(t, false, left)
	anew := serving("a")
	anew.Seq, anew.From = 4, at(100)
	r.Learn(at(90), anew)
	r.want(t, "a 100, b -3600")
	if len(r.graves) != 0 {
		t.Error("a living node has a grave")
	}
}

// Graves are bounded in number and in time.
func TestGravesDoNotPileUp(t *testing.T) {
	r := me()
	for i := range maxGraves + 10 {
		e := serving(fmt.Sprint(i))
		left(&e)
		r.bury(at(float64(i)), []*life{{Entry: e}})
	}
	if len(r.graves) != maxGraves || r.graves[0].Name != "10" {
		t.Errorf("%d graves, the first is %s's", len(r.graves), r.graves[0].Name)
	}
	r.bury(at(10+keepGrave.Seconds()+0.5), nil)
	if len(r.graves) != maxGraves-1 {
		t.Errorf("%d graves after a day", len(r.graves))
	}
	r.bury(at(2*keepGrave.Seconds()), nil)
	if len(r.graves) != 0 {
		t.Errorf("%d graves after two days", len(r.graves))
	}
}
