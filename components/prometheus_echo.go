package components

import (
	"context"
	"fmt"
	"os"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/echo"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// echoArguments are the arguments of prometheus.echo.
type echoArguments struct {
	Format string `alloy:"format,attr,optional"` // text or openmetrics
}

// SetToDefault sets the documented defaults.
func (a *echoArguments) SetToDefault() { *a = echoArguments{Format: string(echo.Text)} }

// Validate reports a format that there is not.
func (a *echoArguments) Validate() error {
	if f := echo.Format(a.Format); f != echo.Text && f != echo.OpenMetrics {
		return fmt.Errorf("unknown format %q: use text or openmetrics", a.Format)
	}
	return nil
}

// echoExport is where samples to be printed are sent.
type echoExport struct {
	Receiver args.Receiver `alloy:"receiver,attr"`
}

// A prometheusEcho prints to the standard output.
type prometheusEcho struct{ sink *echo.Sink }

// newPrometheusEcho exports a receiver that stays the same.
func newPrometheusEcho(env component.Env, a echoArguments) (component.Instance[echoArguments], error) {
	sink := echo.New(os.Stdout, echo.Format(a.Format))
	env.Export(echoExport{Receiver: args.Receiver{Sink: sink}})
	return &prometheusEcho{sink: sink}, nil
}

// Run has nothing to do: the sink prints when it is given something.
func (e *prometheusEcho) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update changes the format of what is printed from now on.
func (e *prometheusEcho) Update(a echoArguments) error {
	e.sink.SetFormat(echo.Format(a.Format))
	return nil
}
