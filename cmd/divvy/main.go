package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/divvy-collector/divvy/cmd/divvy/fleet"
)

func main() {
	os.Exit(execute(os.Args[1:], console{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// A console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// execute runs one command line and returns the exit code: 0, or 1 when the
// command did not do what it was asked to, unless the command tells more cases
// apart. The reason is then on con.err.
func execute(args []string, con console) int {
	root := newRoot(con)
	root.SetArgs(args)
	err := root.Execute()
	code := 1
	var exit *fleet.Exit
	if errors.As(err, &exit) {
		code, err = exit.Code, exit.Err
	} else if err == nil {
		code = 0
	}
	if err == nil || errors.Is(err, errReported) {
		return code
	}
	for _, e := range flatten(err) {
		fmt.Fprintf(con.err, "Error: %s\n", strings.TrimSuffix(e.Error(), "\n"))
	}
	return code
}

// flatten returns the errors that err joins, or err itself.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// errReported ends a command whose output has already said what is wrong.
var errReported = errors.New("already reported")

// newRoot returns the command line of divvy.
func newRoot(con console) *cobra.Command {
	root := &cobra.Command{
		Use:           "divvy",
		Short:         "Collect telemetry, and share the work out among nodes",
		Version:       currentBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(con.in)
	root.SetOut(con.out)
	root.SetErr(con.err)
	root.AddCommand(
		newRunCommand(con),
		newValidateCommand(con),
		newFormatCommand(con),
		newFleetCommand(con),
		newDemoCommand(con),
	)
	return root
}

// completeConfig completes the names of configuration files and directories.
func completeConfig(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"alloy"}, cobra.ShellCompDirectiveFilterFileExt
}

// onePath accepts exactly one argument, and says which one is meant.
func onePath(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fmt.Errorf("%s takes exactly one PATH, got %d; see divvy %s --help",
		cmd.CommandPath(), len(args), cmd.Name())
}
