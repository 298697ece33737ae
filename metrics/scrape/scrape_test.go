package scrape

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// expect compares the batches of one interval; want has one text per batch.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestSeriesThatVanishIsMarkedOnce(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "# TYPE x gauge\nx 1\ny{b=\"c\"} 2\nz 3\n")
		expect(t, r.next(), "{\"x\"} 1")
		r.text("a:80", "# TYPE x gauge\nx 4\nz 5\n")
		expect(t, r.next(), "")
		expect(t, r.next(), "")
		r.text("a:80", "z 7\n")
		expect(t, r.next(), "")
	})
}
