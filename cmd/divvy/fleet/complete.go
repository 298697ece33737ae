package fleet

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/fleet/report"
)

// completeTimeout is how long a shell waits for what a node knows.
const completeTimeout = time.Second

// completeFiles offers names of files for some flags.
func completeFiles(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		register(cmd, name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault))
	}
}

// complete offers values for a flag.
func complete(cmd *cobra.Command, flag string, values []string) {
	register(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeKnown offers for a flag what the nodes of the fleet know.
func (s *session) completeKnown(cmd *cobra.Command, flag string, known func(report.Node) []string) {
	register(cmd, flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		var f report.Fleet
		if _, err := s.node.ask(ctx, question{path: "status"}, &f); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		values := map[string]bool{}
		for _, n := range f.Nodes {
			for _, v := range known(n) {
				values[v] = true
			}
		}
		return slices.Sorted(maps.Keys(values)), cobra.ShellCompDirectiveNoFileComp
	})
}

// register completes a flag by f.
func register(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("BUG: " + err.Error())
	}
}

// nameOf returns the values of --owner that a node adds.
func nameOf(n report.Node) []string { return []string{n.Name} }

// componentsOf returns the values of --component that a node adds.
func componentsOf(n report.Node) []string {
	var ids []string
	for _, d := range n.Targets {
		ids = append(ids, d.Component)
	}
	return ids
}
