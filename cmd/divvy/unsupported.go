package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// unsupported holds flags that other collectors of this configuration language
// know and that cannot work here. They are accepted at their default, so that a
// command line which spells it out keeps working, and refused otherwise.
type unsupported struct {
	format            string
	bypassErrors      bool
	extraArgs         string
	graphQL           bool
	graphQLPlayground bool
	community         bool
	priority          string
}

func (u *unsupported) flags(fs *pflag.FlagSet) {
	const only = "accepted at its default only: "
	fs.StringVar(&u.format, "config.format", "alloy", only+"the configuration language is the one of *.alloy files")
	fs.BoolVar(&u.bypassErrors, "config.bypass-conversion-errors", false, only+"nothing is converted")
	fs.StringVar(&u.extraArgs, "config.extra-args", "", only+"nothing is converted")
	fs.BoolVar(&u.graphQL, "server.http.enable-graphql", false, only+"there is no GraphQL API")
	fs.BoolVar(&u.graphQLPlayground, "server.http.enable-graphql-playground", false, only+"there is no GraphQL API")
	fs.BoolVar(&u.community, "feature.community-components.enabled", false, only+"there are no community components")
	fs.StringVar(&u.priority, "windows.priority", "normal", only+"priority is set by the system that starts divvy")
}

// validate returns an error for each flag that asks for what is not there.
func (u *unsupported) validate() error {
	var errs []error
	refuse := func(set bool, flag, remedy string) {
		if set {
			errs = append(errs, fmt.Errorf("--%s cannot work: %s", flag, remedy))
		}
	}
	refuse(u.format != "alloy" && u.format != "", "config.format="+u.format,
		"divvy reads *.alloy configurations only; convert the file first")
	refuse(u.bypassErrors, "config.bypass-conversion-errors", "divvy converts nothing; leave the flag out")
	refuse(u.extraArgs != "", "config.extra-args", "divvy converts nothing; leave the flag out")
	refuse(u.graphQL, "server.http.enable-graphql", "divvy has no GraphQL API; use /api/v0/web")
	refuse(u.graphQLPlayground, "server.http.enable-graphql-playground", "divvy has no GraphQL API; use /api/v0/web")
	refuse(u.community, "feature.community-components.enabled", "divvy has no community components; leave the flag out")
	refuse(u.priority != "normal" && u.priority != "", "windows.priority="+u.priority,
		"divvy does not set its own priority; set it where divvy is started")
	return errors.Join(errs...)
}

// acceptWithoutEffect adds the flags that change nothing here, so that command
// lines which carry them keep working: divvy reports no usage statistics, a
// fan-out is always direct, and the other two are deprecated where they come
// from.
func acceptWithoutEffect(fs *pflag.FlagSet) {
	fs.Bool("disable-reporting", false, "accepted; divvy reports no usage statistics")
	fs.Bool("feature.prometheus.direct-fanout.enabled", false, "accepted; a fan-out is always direct")
	fs.Bool("cluster.use-discovery-v1", false, "accepted; without effect")
	fs.String("feature.prometheus.metric-validation-scheme", "", "accepted; without effect")
	for _, name := range []string{"cluster.use-discovery-v1", "feature.prometheus.metric-validation-scheme"} {
		if err := fs.MarkDeprecated(name, "it has no effect"); err != nil {
			panic("BUG: " + err.Error())
		}
	}
}
