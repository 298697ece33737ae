package fleet

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// An Exit ends a command with a code that scripts tell apart.
type Exit struct {
	Code int   // 1: something is wrong with the fleet; 2: it could not be asked
	Err  error // nil: the output has said it
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return "something is wrong with the fleet"
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// Codes of an Exit.
const (
	codeWrong   = 1
	codeUnasked = 2
)

// wrong ends a command whose output has said what is wrong with the fleet.
func wrong() error { return &Exit{Code: codeWrong} }

// unasked ends a command that could not do what it was asked to.
func unasked(err error) error {
	var exit *Exit
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return &Exit{Code: codeUnasked, Err: err}
}

// exactly accepts n arguments, and says what they are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return unasked(fmt.Errorf("%s takes %s, got %d arguments; see %s --help", cmd.CommandPath(), what, len(args), cmd.CommandPath()))
	}
}
