package fleet

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Config is where the commands write, and what they take from their surroundings.
type Config struct {
	Out, Err io.Writer
	Getenv   func(name string) string
}

// New returns divvy fleet. Its errors are an *Exit.
func New(cfg Config) *cobra.Command {
	n := &node{Default: cmp.Or(cfg.Getenv("DIVVY_ADDR"), defaultAddr)}
	s := &session{Config: cfg, node: n}
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "See what the nodes of a cluster do, from any one of them",
		Long: "Ask a node about all nodes of its cluster: who scrapes what, whether everything is scraped once,\n" +
			"and what happened. Any node answers for all, also one without clustering, which is a fleet of one.\n\n" +
			"The exit code is 0 if all is well, 1 if something is wrong with the fleet, and 2 if the command line\n" +
			"is wrong or the node could not be asked.",
		Example: "  divvy fleet status\n" +
			"  divvy fleet status --addr https://divvy.example:12345/ui --username me --password-file secret",
		Args: func(cmd *cobra.Command, args []string) error { return known(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return unasked(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
	})
	n.flags(cmd.PersistentFlags())
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	completeFiles(cmd, "password-file", "bearer-token-file", "tls-ca", "tls-cert", "tls-key")
	cmd.PersistentFlags().BoolVar(&s.json, "json", false, "write JSON: the answer of the node, as it is")
	cmd.AddCommand(
		newStatus(s), newTargets(s), newOwner(s), newCoverage(s), newEvents(s), newSimulate(s),
	)
	return cmd
}

// known refuses what is none of the commands.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%s knows no %q", cmd.CommandPath(), args[0])
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		text += fmt.Sprintf("; did you mean %s?", strings.Join(like, " or "))
	}
	return unasked(fmt.Errorf("%s; see %s --help", text, cmd.CommandPath()))
}

// A session is one command as it runs.
type session struct {
	Config
	node *node
	json bool
}

// paper returns what the session writes on.
func (s *session) paper() paper { return openPaper(s.Out, s.Getenv) }

// tell asks the node, and shows the answer: as it is with --json, else by show.
// show also says whether all is well. It is called in both cases, so that the
// exit code does not depend on the form of the output.
func tell[T any](ctx context.Context, s *session, q question, show func(p paper, a answer, v T) (well bool)) error {
	var v T
	a, err := s.node.ask(ctx, q, &v)
	if err != nil {
		return err
	}
	p := s.paper()
	if s.json {
		p = paper{w: io.Discard}
		if err := s.pass(a); err != nil {
			return err
		}
	}
	if !show(p, a, v) {
		return wrong()
	}
	return nil
}

// pass writes the answer as it came, and ends its last line.
func (s *session) pass(a answer) error {
	if !bytes.HasSuffix(a.body, []byte("\n")) {
		a.body = append(a.body, '\n')
	}
	if _, err := s.Out.Write(a.body); err != nil {
		return unasked(fmt.Errorf("write the answer: %w", err))
	}
	return nil
}
