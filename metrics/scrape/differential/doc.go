// Package differential holds a test and nothing else: it lets Prometheus'
// scrape package and ours scrape the same targets and compares what they
// append. It is apart from package scrape because Prometheus' configuration
// is slow to compile and nothing else needs it.
package differential
