package pipeline

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline/graph"
)

// Problems is the error of a configuration that cannot be loaded.
type Problems struct {
	Diagnostics diag.Diagnostics
	Sources     map[string][]byte // text of the files that the diagnostics speak of
}

// Error returns one line for each problem.
func (p *Problems) Error() string {
	lines := make([]string, len(p.Diagnostics))
	for i, d := range p.Diagnostics {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the diagnostics.
func (p *Problems) Unwrap() error { return p.Diagnostics }

// Render writes err for people. Problems are shown with the lines that they
// are about, and carets below the offending text.
func Render(w io.Writer, err error) error {
	var p *Problems
	if errors.As(err, &p) {
		return graph.Render(w, p.Sources, p.Diagnostics)
	}
	_, werr := fmt.Fprintf(w, "Error: %v\n", err)
	return werr
}
