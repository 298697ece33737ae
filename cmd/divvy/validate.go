package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/divvy-collector/divvy/components"
	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/web"
)

// newValidateCommand returns divvy validate.
func newValidateCommand(con console) *cobra.Command {
	cfg := DefaultConfig()
	cmd := &cobra.Command{
		Use:   "validate [flags] PATH",
		Short: "Say what is wrong with a configuration",
		Long: "Check the configuration in PATH, a file or a directory of *.alloy files, without running it.\n" +
			"Every mistake is shown with the line that it is in; the exit code is then 1.",
		Args:              onePath,
		ValidArgsFunction: completeConfig,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := cfg.unsupported.validate(); err != nil {
				return err
			}
			return validate(args[0], cfg.Stability, con)
		},
	}
	// The flags that decide what a configuration may hold are those of divvy run,
	// with the same meaning; the others say nothing about a file.
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	cfg.Flags(all)
	for _, name := range []string{
		"stability.level", "config.format", "config.bypass-conversion-errors", "config.extra-args",
		"feature.community-components.enabled",
	} {
		cmd.Flags().AddFlag(all.Lookup(name))
	}
	return cmd
}

// validate checks the configuration at path.
func validate(path string, level component.Stability, con console) error {
	sources, err := readSources(path)
	if err != nil {
		return err
	}
	err = pipeline.Validate(pipeline.Config{
		Kinds: components.All(),
		Blocks: blocks(
			func(LoggingArguments) error { return nil },
			func(web.Options) error { return nil },
			func(LiveDebuggingArguments) error { return nil },
		),
		Level: level,
		Path:  configDir(path),
	}, sources)
	if err != nil {
		fmt.Fprintf(con.err, "%s\n%s has %s.\n", explain(sources, err), path, countMistakes(err))
		return errReported
	}
	return nil
}
