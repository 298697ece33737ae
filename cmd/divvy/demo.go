package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/cmd/divvy/demo"
)

// newDemoCommand returns divvy demo.
func newDemoCommand(con console) *cobra.Command {
	cfg := demo.Config{Nodes: 3, Targets: 60, Series: 200, Interval: 2 * time.Second}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a cluster share targets while nodes come, go and are killed",
		Long: "Start targets, a receiver and a cluster of divvy nodes on this machine, and show what happens.\n" +
			"Nodes are added, stopped and killed by a key or by a script. Every scrape carries a number and\n" +
			"every target knows when it is due, so the demo sees if one is lost, missed or made twice.\n" +
			"It needs nothing else and leaves nothing behind.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := cfg.Validate(); err != nil {
				return err
			}
			if cfg.Divvy, err = os.Executable(); err != nil {
				return fmt.Errorf("find the program of the nodes: %w", err)
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return demo.Run(ctx, cfg, con.in, con.out)
		},
	}
	fs := cmd.Flags()
	fs.IntVar(&cfg.Nodes, "nodes", cfg.Nodes, "`number` of nodes to begin with")
	fs.IntVar(&cfg.Targets, "targets", cfg.Targets, "`number` of targets")
	fs.IntVar(&cfg.Series, "series", cfg.Series, "`number` of series of each target")
	fs.DurationVar(&cfg.Interval, "interval", cfg.Interval, "time between two scrapes of a target")
	fs.DurationVar(&cfg.Duration, "duration", cfg.Duration,
		"end after this long; exit code 1 if a scrape is lost, or a slot missed or doubled without a kill; 0: until q is pressed")
	fs.Var(&cfg.Script, "script", "`steps` to take, such as 5s:add,12s:stop,20s:kill,30s:receiver")
	return cmd
}
