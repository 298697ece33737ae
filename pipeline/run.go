package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/grafana/alloy/syntax/diag"
)

// errTwice is returned by a second Run.
var errTwice = errors.New("the pipeline has been run already")

// Run runs the components of the configuration, and of those loaded later,
// until ctx is cancelled. Then it stops them, each after those that refer to
// it, and returns. An error names the components that did not end within
// Config.ShutdownDeadline; they are abandoned. Run is called once.
func (p *Pipeline) Run(ctx context.Context) error {
	if err := p.begin(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return p.end()
		case <-p.wake:
			p.turn.Lock()
			p.settle()
			p.turn.Unlock()
		}
	}
}

// begin starts what is loaded.
func (p *Pipeline) begin() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.phase != idle {
		return errTwice
	}
	p.phase = running
	if p.tree != nil {
		p.start(true)
		p.start(false)
	}
	return nil
}

// end stops everything.
func (p *Pipeline) end() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.phase = stopped
	defer p.metrics.unregister()
	deadline := time.NewTimer(p.cfg.ShutdownDeadline)
	defer deadline.Stop()
	var left []string
	if p.tree != nil {
		left = p.stopAll(p.tree, func(n *node) bool { return n.inst != nil }, deadline.C)
	}
	for id, inst := range p.leaving {
		if !inst.joined(p.cfg.ShutdownDeadline) {
			left = append(left, id)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("stop: abandoned after %s: %s", p.cfg.ShutdownDeadline, strings.Join(left, ", "))
	}
	p.runs.Wait()
	return nil
}

// stopAll stops the nodes of t that which chooses, each after those that read
// from it, and waits for them until the deadline. Then all others are told to
// stop as well, and the IDs of those that have not ended are returned.
//
// There is a goroutine for each node, chosen or not: it waits for the nodes
// that read from it, so that the order holds through modules as well, and what
// does not depend on each other ends at the same time. All of them have ended
// when stopAll returns.
func (p *Pipeline) stopAll(t *tree, which func(*node) bool, deadline <-chan time.Time) []string {
	late := make(chan struct{})
	ended := make([]chan struct{}, len(t.nodes))
	for i := range ended {
		ended[i] = make(chan struct{})
	}
	var wg sync.WaitGroup
	for _, n := range t.nodes {
		wg.Go(func() {
			defer close(ended[n.order])
			for _, d := range t.dependants[n] {
				<-ended[d.order]
			}
			if which(n) {
				n.inst.stop()
				select {
				case <-n.inst.done:
				case <-late:
				}
			}
		})
	}
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	select {
	case <-all:
	case <-deadline:
		close(late)
		<-all
	}
	var left []string
	for _, n := range t.nodes {
		if which(n) && !n.inst.joined(0) {
			left = append(left, n.id)
		}
	}
	return left
}

// diagnostic returns a problem that has no place in a file.
func diagnostic(message string) diag.Diagnostic {
	return diag.Diagnostic{Severity: diag.SeverityLevelError, Message: message}
}
