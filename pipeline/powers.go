package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"strings"

	"github.com/grafana/alloy/syntax/printer"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// Powers returns the built components that are a T, such as a
// component.Scraper, by ID, in the order of evaluation.
func Powers[T any](p *Pipeline) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, n := range p.components() {
			r, ok := p.runningOf(n.id)
			if !ok {
				continue
			}
			if power, ok := component.Power[T](r); ok && !yield(n.id, power) {
				return
			}
		}
	}
}

// PowerOf returns the component with the given ID as a T, if it is one.
func PowerOf[T any](p *Pipeline, id string) (T, bool) {
	r, ok := p.runningOf(id)
	if !ok {
		var none T
		return none, false
	}
	return component.Power[T](r)
}

// Fingerprints returns a hash of the text of each component by ID, as short as
// it can be told from another one. Layout and comments do not count.
func (p *Pipeline) Fingerprints() map[string]string {
	prints := map[string]string{}
	for _, n := range p.components() {
		var text strings.Builder
		if n.Block == nil || printer.Fprint(&text, n.Block) != nil {
			continue
		}
		sum := sha256.Sum256([]byte(text.String()))
		prints[n.id] = hex.EncodeToString(sum[:8])
	}
	return prints
}
