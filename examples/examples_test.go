// Package examples checks the configurations in this directory: each is valid,
// can be built as it is, and is formatted.
package examples

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/printer"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/web"
)

// logging stands for the block of that name, which is the command's own.
type logging struct {
	Level  string `alloy:"level,attr,optional"`
	Format string `alloy:"format,attr,optional"`
}

func config(t *testing.T) pipeline.Config {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Config{
		Kinds: components.All(),
		Blocks: []pipeline.Block{
			pipeline.BlockOf("logging", func(logging) error { return nil }),
			pipeline.BlockOf("http", func(web.Options) error { return nil }),
		},
		Level: component.GenerallyAvailable,
		Path:  dir,
		Env: component.Env{
			Log:        slog.New(slog.DiscardHandler),
			Dir:        t.TempDir(),
			Registry:   prometheus.NewRegistry(),
			Gatherer:   prometheus.NewRegistry(),
			Self:       "node",
			View:       cell.New(owner.View{}),
			MemoryAddr: "divvy.internal:12345",
		},
	}
}

// each calls f with every example.
func each(t *testing.T, f func(t *testing.T, name string, text []byte)) {
	t.Helper()
	paths, err := filepath.Glob("*.alloy")
	if err != nil || len(paths) < 6 {
		t.Fatalf("examples %v, %v", paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(path, func(t *testing.T) { f(t, path, text) })
	}
}

func TestExamplesAreValid(t *testing.T) {
	each(t, func(t *testing.T, name string, text []byte) {
		if err := pipeline.Validate(config(t), map[string][]byte{name: text}); err != nil {
			t.Error(err)
		}
	})
}

// Without any environment variable an example can be built.
func TestExamplesCanBeBuilt(t *testing.T) {
	each(t, func(t *testing.T, name string, text []byte) {
		p := pipeline.New(config(t))
		if err := p.Load(map[string][]byte{name: text}); err != nil {
			t.Error(err)
		}
	})
}

func TestExamplesAreFormatted(t *testing.T) {
	each(t, func(t *testing.T, name string, text []byte) {
		file, err := parser.ParseFile(name, text)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := printer.Fprint(&out, file); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimRight(out.String(), "\n") + "\n"; got != string(text) {
			t.Errorf("run divvy fmt -w examples/%s; formatted it is:\n%s", name, got)
		}
	})
}
