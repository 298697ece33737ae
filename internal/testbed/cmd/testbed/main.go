// Command testbed serves generated targets and a counting receiver until it is
// interrupted: see package testbed for what it answers.
//
//	go run ./internal/testbed/cmd/testbed -targets 200 -series 1000 -addr 127.0.0.1:9900
//	curl http://127.0.0.1:9900/report
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/divvy-collector/divvy/internal/testbed"
)

func main() {
	var cfg testbed.Config
	flag.StringVar(&cfg.Addr, "addr", "127.0.0.1:9900", "`host:port` to listen on")
	flag.IntVar(&cfg.Fleet.Targets, "targets", 200, "`number` of targets")
	flag.IntVar(&cfg.Fleet.Series, "series", 1000, "`number` of series of each target")
	flag.IntVar(&cfg.Fleet.Hosts, "hosts", 0, "spread the targets over that `number` of addresses 127.0.1.1, …")
	flag.BoolVar(&cfg.Fleet.Gzip, "gzip", false, "answer gzip to clients that accept it")
	flag.BoolVar(&cfg.Fleet.OpenMetrics, "openmetrics", false, "answer OpenMetrics to clients that accept it")
	flag.BoolVar(&cfg.Fleet.Kube, "kube", false, "show pods, as kube-state-metrics does")
	flag.IntVar(&cfg.Fleet.Renew, "renew", 0, "with -kube: `number` of scrapes in which all pods are replaced")
	flag.BoolVar(&cfg.Receiver.Verify, "verify", false, "check the order of every series")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
}

// run serves a bed until ctx is cancelled.
func run(ctx context.Context, cfg testbed.Config) error {
	bed, err := testbed.Open(cfg)
	if err != nil {
		return err
	}
	fmt.Printf("targets %s, receiver %s\n", bed.DiscoveryURL(), bed.WriteURL())
	<-ctx.Done()
	return bed.Close()
}
