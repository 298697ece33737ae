package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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

// Histories that once broke a law, shrunk, each with what becomes of its slots.
func TestStoredHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			history, err := ParseHistory(string(text))
			if err != nil {
				t.Fatal(err)
			}
			got := Transcript(history)
			golden := file[:len(file)-len(".txt")] + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if got != string(want) {
				t.Errorf("%s: the transcript is\n%swant\n%s", golden, got, want)
			}
		})
	}
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
