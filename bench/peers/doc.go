// Package peers pins the collectors that divvy is measured against, vmagent and
// the Prometheus agent, and promtool, which tests the alerts of deploy/mixin. It
// is a module of its own, so that what they need never reaches divvy's. They are
// built as programs and never linked; the file peers.go, which no build includes,
// only keeps their modules in go.mod.
//
//	go build -o ../.cache/vmagent github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent
package peers
