package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/internal/script"
	"github.com/divvy-collector/divvy/pipeline/component"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Everything that happens to a configuration, told in texts.
func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		return newStory(t).execute
	})
}

// Each mistake has a message with a position and a remedy, from Validate and
// from Load alike.
func TestMistakes(t *testing.T) {
	script.Run(t, "testdata/mistakes/*.txt", func(t *testing.T) func(script.Command) string {
		return newStory(t).execute
	})
}

// A story is one pipeline that a script tells of.
type story struct {
	t       *testing.T
	dir     string // for files that the configuration reads; $DIR in scripts
	rec     *recorder
	reg     *prometheus.Registry
	p       *Pipeline
	sources map[string][]byte
	cancel  context.CancelFunc
	done    chan error
}

func newStory(t *testing.T) *story {
	rec, reg := newRecorder(), prometheus.NewRegistry()
	s := &story{
		t: t, dir: t.TempDir(), rec: rec, reg: reg, sources: map[string][]byte{},
		p: New(storyConfig(rec, reg)),
	}
	t.Cleanup(func() {
		if s.cancel != nil {
			s.stop()
		}
	})
	return s
}

func storyConfig(rec *recorder, reg prometheus.Registerer) Config {
	return Config{
		Kinds: testKinds(rec), Blocks: testBlocks(rec), Level: component.GenerallyAvailable,
		Env: component.Env{Registry: reg}, Path: "conf",
	}
}

func (s *story) execute(c script.Command) string {
	out := s.command(c)
	s.quiet()
	return strings.ReplaceAll(out+orderless(s.rec.take()), s.dir, "$DIR")
}

// orderless sorts each run of lines that begin with "stopped": those that do
// not refer to each other end in any order. TestDependantsEndFirst has the
// order of those that do.
func orderless(events string) string {
	lines := strings.SplitAfter(events, "\n")
	for i := 0; i < len(lines); i++ {
		j := i
		for j < len(lines) && strings.HasPrefix(lines[j], "stopped") {
			j++
		}
		slices.Sort(lines[i:j])
		i = max(i, j-1)
	}
	return strings.Join(lines, "")
}

func (s *story) command(c script.Command) string {
	input := strings.ReplaceAll(c.Input, "$DIR", s.dir)
	switch c.Words[0] {
	case "source": // another file of the configuration
		s.sources[c.Words[1]] = []byte(input)
	case "write": // a file that the configuration reads
		if err := os.WriteFile(filepath.Join(s.dir, c.Words[1]), []byte(input), 0o644); err != nil {
			s.t.Fatal(err)
		}
	case "experimental":
		cfg := storyConfig(s.rec, prometheus.NewRegistry())
		cfg.Level = component.Experimental
		s.p = New(cfg)
	case "load":
		s.sources["main.alloy"] = []byte(input)
		return rendered("loaded", s.p.Load(s.sources))
	case "validate":
		s.sources["main.alloy"] = []byte(input)
		return rendered("valid", Validate(storyConfig(s.rec, nil), s.sources))
	case "mistake": // found by validate and by load alike, with the same words
		return s.mistake(input)
	case "run":
		s.run()
	case "stop":
		return s.stop()
	case "export":
		s.rec.late[c.Words[1]](text{Value: c.Words[2]})
	case "exited": // wait for it
		for c, _ := s.p.Component(c.Words[1]); c.Health.State != component.Exited; c, _ = s.p.Component(c.ID) {
			runtime.Gosched()
		}
	case "health":
		return s.health()
	case "references":
		return s.references()
	case "metrics":
		return s.metrics(c.Words[1])
	default:
		s.t.Fatalf("unknown command %q", c.Words[0])
	}
	return ""
}

func rendered(good string, err error) string {
	if err == nil {
		return good + "\n"
	}
	var b bytes.Buffer
	Render(&b, err)
	return b.String()
}

func (s *story) mistake(input string) string {
	s.sources["main.alloy"] = []byte(input)
	valid := rendered("valid", Validate(storyConfig(s.rec, nil), s.sources))
	s.rec.take()
	loaded := rendered("loaded", s.p.Load(s.sources))
	s.rec.take()
	if valid != loaded {
		return "validate:\n" + valid + "load:\n" + loaded
	}
	return loaded
}

func (s *story) run() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.cancel, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.p.Run(ctx) }()
	for s.phase() != running {
		runtime.Gosched()
	}
}

func (s *story) phase() phase {
	s.p.turn.Lock()
	defer s.p.turn.Unlock()
	return s.p.phase
}

func (s *story) stop() string {
	s.cancel()
	s.cancel = nil
	if err := <-s.done; err != nil {
		return err.Error() + "\n"
	}
	return ""
}

// quiet waits until nothing is left to evaluate.
func (s *story) quiet() {
	for s.cancel != nil {
		s.p.turn.Lock()
		s.p.mu.Lock()
		calm := len(s.p.dirty) == 0
		s.p.mu.Unlock()
		s.p.turn.Unlock()
		if calm {
			return
		}
		runtime.Gosched()
	}
}

func (s *story) health() string {
	var b strings.Builder
	for _, c := range s.p.Components() {
		fmt.Fprintf(&b, "%s: %s: %s\n", c.ID, c.Health.State, c.Health.Message)
	}
	return b.String()
}

func (s *story) references() string {
	var b strings.Builder
	for _, c := range s.p.Components() {
		fmt.Fprintf(&b, "%s: to %v, by %v, data to %v, modules %v\n", c.ID, c.ReferencesTo, c.ReferencedBy, c.DataFlowTo, c.ModuleIDs)
	}
	return b.String()
}

// metrics lists the series of one metric.
func (s *story) metrics(name string) string {
	families, err := s.reg.Gather()
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&b, "%s=%q ", l.GetName(), l.GetValue())
			}
			fmt.Fprintf(&b, "%v\n", m.GetGauge().GetValue()+m.GetCounter().GetValue())
		}
	}
	return b.String()
}
