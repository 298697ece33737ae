package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/cmd/divvy/fleet"
)

// newFleetCommand returns divvy fleet.
func newFleetCommand(con console) *cobra.Command {
	return fleet.New(fleet.Config{Out: con.out, Err: con.err, Getenv: os.Getenv})
}
