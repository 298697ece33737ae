package pipeline

import "github.com/divvy-collector/divvy/pipeline/graph"

// Validate checks a configuration without building or running anything, and
// without the network. Of cfg it uses Kinds, Blocks, Level and Path. The error
// is a *Problems.
//
// What depends on exports is checked as far as their types go; what is
// imported over HTTP is not checked.
func Validate(cfg Config, sources map[string][]byte) error {
	cfg.Env.Registry, cfg.Env.Log = nil, nil
	s := New(cfg).newStage(sources)
	s.dry = true
	if s.root(); len(s.ds) > 0 {
		return &Problems{Diagnostics: graph.Sort(s.ds), Sources: s.texts}
	}
	return nil
}
