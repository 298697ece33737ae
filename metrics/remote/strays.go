package remote

import (
	"os"
	"path"

	"github.com/divvy-collector/divvy/queue"
)

// A stray is a log below the Writer's directory that no endpoint uses: its URL
// was changed, or it was taken out of the configuration.
type stray struct {
	dir     string
	samples int64 // that were never delivered
}

// strays returns the logs without an endpoint that still hold samples. Logs
// that are in use by somebody else, or that cannot be read, are left out.
func strays(cfg *Config, wanted []*endpoint) []stray {
	used := map[string]bool{}
	for _, e := range wanted {
		used[e.dir] = true
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil
	}
	var list []stray
	for _, entry := range entries {
		dir := path.Join(cfg.Dir, entry.Name())
		if !entry.IsDir() || used[dir] {
			continue
		}
		q, err := queue.Open(queue.Config{FS: cfg.FS, Dir: dir, Log: cfg.Log})
		if err != nil {
			continue
		}
		if n := q.Stats().Items; n > 0 {
			list = append(list, stray{dir: dir, samples: n})
		}
		// Nothing was taken out, so there is nothing that closing could lose.
		_ = q.Close()
	}
	return list
}

// tellOfStrays warns of samples that nobody will deliver as things are.
func (w *Writer) tellOfStrays(wanted []*endpoint) {
	for _, s := range strays(&w.cfg, wanted) {
		w.cfg.Log.Warn("a log holds samples for an endpoint that is not in the configuration; "+
			"give the endpoint its former url or name to deliver them, or delete the directory",
			"dir", s.dir, "samples", s.samples)
	}
}
