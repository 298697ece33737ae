package pyroscope

import (
	"context"
	"os"

	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/profiles/echo"
)

// Echo is the kind pyroscope.echo, which only divvy knows: it prints a line for
// each profile, as prometheus.echo does for samples.
func Echo() component.Kind {
	return component.Of[echoArguments, echoExports]("pyroscope.echo", newEcho)
}

// echoArguments are the arguments of pyroscope.echo: none.
type echoArguments struct{}

// echoExports are the exports of pyroscope.echo.
type echoExports struct {
	Receiver Receiver `alloy:"receiver,attr"`
}

// A pyroscopeEcho prints to the standard output.
type pyroscopeEcho struct{}

// newEcho exports a receiver that stays the same.
func newEcho(env component.Env, _ echoArguments) (component.Instance[echoArguments], error) {
	env.Export(echoExports{Receiver: Receiver{Sink: echo.New(os.Stdout)}})
	return pyroscopeEcho{}, nil
}

// Run has nothing to do: the sink prints when it is given something.
func (pyroscopeEcho) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update has nothing to change.
func (pyroscopeEcho) Update(echoArguments) error { return nil }
