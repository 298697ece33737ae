// Package mixin is what a monitoring system needs to watch divvy: alerts and
// recording rules for Prometheus, and dashboards for Grafana. The files can be
// used as they are:
//
//	alerts.yaml        load both as rule files
//	rules.yaml
//	dashboards/*.json  import, or provision
//
// alerts_test.yaml tests the alerts with promtool. The dashboards are written by
// this package from a table in boards.go, because a panel is three lines there
// and forty in Grafana's format: change the table and run the tests with -update.
// What each alert means and what to do about it is in docs/runbooks.md.
//
// Invariant: every metric, label and value that is asked for is exposed by
// divvy. The tests over real processes hold the files against the metrics of a
// running cluster.
//
// No other package imports this one; nothing of it is in the program.
package mixin

import "embed"

// Files are the files of the mixin, under the names that the package comment
// lists.
//
//go:embed alerts.yaml rules.yaml dashboards/*.json
var Files embed.FS
