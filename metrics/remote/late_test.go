package remote

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A third of the targets has moved to another node, whose samples the receiver
// has already: the backlog of the others arrives whole, what it refuses is
// searched once, and what comes after the return of a target is sent again.
func TestABacklogOfMovedTargetsIsDroppedWithoutASearch(t *testing.T) {
	for _, message := range []string{Message1, Message2} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, func(c *Config) { c.Endpoints[0].Message = message })
			const series, records = 300, 40
			tick := func() { g.tickMany(1, int(time.Now().UnixMilli()), series); time.Sleep(time.Second) }
			g.rcv.answers(answering(500))
			for range records {
				tick()
			}
			moved := map[string]bool{}
			for i := range series {
				if i/10%3 == 0 {
					moved[numbered(i).String()] = true
				}
			}
			handover := time.Now().UnixMilli()
			take := refuse(func(string) bool { return false })
			g.rcv.answers(func(w http.ResponseWriter, r request) bool {
				for _, p := range r.points {
					if moved[p.Series] && p.T < handover {
						http.Error(w, "out of order sample", http.StatusBadRequest)
						return false
					}
				}
				return take(w, r)
			})
			before := len(g.rcv.seen())
			time.Sleep(10 * time.Minute)
			requests := len(g.rcv.seen()) - before
			for range 3 {
				tick()
			}
			g.end()
			for s, times := range perSeries(g.rcv.points()) {
				if want := records + 3; !moved[s] && len(times) != want || moved[s] && len(times) != 3 {
					t.Errorf("%s: %s, moved %t, arrived %d times", message, s, moved[s], len(times))
				}
			}
			if most := 2*len(moved)*2 + 10*records; requests > most {
				t.Errorf("%s: %d requests for %d records, %d series late; want at most %d", message, requests, records, len(moved), most)
			}
			want := float64(len(moved) * records)
			if got := valueOf(g.endpoint().metrics.samplesFailed); got != want {
				t.Errorf("%s: %v samples were counted as refused; want %v", message, got, want)
			}
			if got := valueOf(g.endpoint().metrics.refused.WithLabelValues(lateReason)); got != want-float64(len(moved)) {
				t.Errorf("%s: %v samples were counted as late; want %v", message, got, want-float64(len(moved)))
			}
		})
	}
}
