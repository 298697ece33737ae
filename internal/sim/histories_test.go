package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/script"
)

// playOrShrink plays h. One that breaks a law is shrunk and described.
func playOrShrink(h History) string {
	if Play(h) == nil {
		return ""
	}
	least := Shrink(h, func(h History) bool { return Play(h) != nil })
	return fmt.Sprintf("%s\n%s", Play(least), least)
}

func TestLawsHoldInRandomHistories(t *testing.T) {
	each(t, 300, func(seed uint64) string {
		c := calm(seed)
		c.Keys = 40
		return playOrShrink(RandomHistory(c, 3+int(seed%5), 12))
	})
}

// Beyond the weather in which nothing is lost, false deaths heal and dates are
// moved; two views do not last.
func TestStormsHeal(t *testing.T) {
	each(t, 100, func(seed uint64) string {
		c := calm(seed)
		c.Keys, c.Delay, c.Loss = 40, 2*time.Second, 0.05
		h := RandomHistory(c, 3+int(seed%5), 8)
		h.Steps = slices.DeleteFunc(h.Steps, func(s Step) bool { return s.Do == Cut || s.Do == Mute })
		return playOrShrink(h)
	})
}

// What becomes of some histories, slot by slot.
func TestStoredHistories(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		return func(c script.Command) string {
			h, err := ParseHistory(c.Input)
			if err != nil || c.Words[0] != "play" {
				t.Fatalf("%v: %v", c.Words, err)
			}
			return Transcript(h)
		}
	})
}

func TestAHistoryIsReadBack(t *testing.T) {
	h := RandomHistory(calm(7), 5, 20)
	got, err := ParseHistory("# a comment\n" + h.String())
	if err != nil || got.String() != h.String() {
		t.Errorf("%v: read\n%s, want\n%s", err, got, h)
	}
	for _, bad := range []string{"seed x", "", "seed 1 nodes 3 delay 1s loss 0 skew 0s keys 1 interval 1s\nfly node-1"} {
		if h, err := ParseHistory(bad); err == nil {
			t.Errorf("%q was read as %s", bad, h)
		}
	}
}

// A history is shrunk to what fails.
func TestShrinkKeepsWhatFails(t *testing.T) {
	h := RandomHistory(calm(3), 4, 30)
	guilty := func(h History) bool {
		kills := 0
		for _, s := range h.Steps {
			if s.Do == Kill {
				kills++
			}
		}
		return kills >= 2
	}
	h.Steps = append(h.Steps, Step{Do: Kill, Node: "node-1"}, Step{Do: Kill, Node: "node-2"})
	least := Shrink(h, guilty)
	if len(least.Steps) != 2 || !guilty(least) {
		t.Errorf("shrunk to\n%s", least)
	}
}
