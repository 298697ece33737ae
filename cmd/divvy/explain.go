package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/grafana/alloy/syntax/diag"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/graph"
)

// explain returns what is wrong with a configuration for people: every mistake
// with the line that it is about. It ends in a newline. sources are the files,
// for errors that do not carry them.
func explain(sources map[string][]byte, err error) string {
	var out strings.Builder
	var problems *pipeline.Problems
	renderErr := errors.New("nothing to render")
	switch mistakes := diagnostics(err); {
	case errors.As(err, &problems):
		renderErr = pipeline.Render(&out, err)
	case len(mistakes) > 0:
		renderErr = graph.Render(&out, sources, mistakes)
	}
	if renderErr != nil {
		return fmt.Sprintf("Error: %s\n", err)
	}
	return strings.TrimSuffix(out.String(), "\n") + "\n"
}

// diagnostics returns the mistakes that err consists of, if it does.
func diagnostics(err error) diag.Diagnostics {
	var all diag.Diagnostics
	if errors.As(err, &all) {
		return all
	}
	var one diag.Diagnostic
	if errors.As(err, &one) {
		return diag.Diagnostics{one}
	}
	return nil
}

// countMistakes returns "1 mistake" or "3 mistakes" of what err reports.
func countMistakes(err error) string {
	if n := len(diagnostics(err)); n > 1 {
		return fmt.Sprintf("%d mistakes", n)
	}
	return "1 mistake"
}

// oneLine returns what is wrong for a log: every mistake with its place.
func oneLine(err error) string {
	mistakes := diagnostics(err)
	if len(mistakes) == 0 {
		return err.Error()
	}
	texts := make([]string, len(mistakes))
	for i, d := range mistakes {
		texts[i] = d.Error()
	}
	return strings.Join(texts, "; ")
}
