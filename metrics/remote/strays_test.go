package remote

import (
	"path/filepath"
	"testing"

	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/vfs"
)

// A log that no endpoint uses is told of if it holds samples, and only then.
func TestSamplesWithoutAnEndpointAreToldOf(t *testing.T) {
	root := t.TempDir()
	fill := func(name string, items ...uint32) {
		q, err := queue.Open(queue.Config{FS: vfs.OS(), Dir: filepath.Join(root, name)})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range items {
			if err := q.Append(queue.Record{Kind: 1, Lanes: 1, Items: n, Payload: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fill("wanted", 5)
	fill("stray", 3, 4)
	fill("empty")
	got := strays(&Config{FS: vfs.OS(), Dir: root}, []*endpoint{{dir: filepath.Join(root, "wanted")}})
	if len(got) != 1 || got[0].dir != filepath.Join(root, "stray") || got[0].samples != 7 {
		t.Errorf("strays are %+v; want 7 samples in stray", got)
	}
}
