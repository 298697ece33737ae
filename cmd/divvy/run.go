package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// newRunCommand returns divvy run.
func newRunCommand(con console) *cobra.Command {
	cfg := DefaultConfig()
	cmd := &cobra.Command{
		Use:   "run [flags] PATH",
		Short: "Run a configuration",
		Long: "Run the configuration in PATH: a file, or a directory whose *.alloy files are read together.\n" +
			"SIGHUP reads it again. SIGINT and SIGTERM stop; a second one stops at once.",
		Args:              onePath,
		ValidArgsFunction: completeConfig,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), cfg, args[0], con)
		},
	}
	cfg.Flags(cmd.Flags())
	return cmd
}

// run runs the configuration at path until a signal stops it.
func run(ctx context.Context, cfg Config, path string, con console) error {
	profileContention(os.Getenv)
	// From here on a signal is an orderly end, even while the first load waits
	// for a slow disk.
	ctx, stop := untilSignal(ctx)
	defer stop()
	// A hangup that comes while the first load is made would end the process: it
	// waits, and reloads.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	c, err := Open(cfg, path, con.err)
	if err != nil {
		return err
	}
	defer c.Close()
	// The Kubernetes client logs by itself what its watches meet, with one
	// logger for the process.
	klog.SetSlogLogger(c.log.With("component", "kubernetes"))
	collectGarbage(os.Getenv)
	c.announce(limitMemory())
	if err := c.Load(); err != nil {
		// What cannot be read is one error; what is read and wrong is shown
		// line by line.
		if len(diagnostics(err)) == 0 {
			return err
		}
		fmt.Fprintf(con.err, "%s\ndivvy has not started: %s has %s.\n", err, path, countMistakes(err))
		return errReported
	}
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	following.Go(func() { c.follow(ctx, hangups) })
	following.Go(func() { c.throttle.follow(ctx, os.Getenv) })
	return c.Run(ctx)
}

// announce says in the log what is about to run.
func (c *Collector) announce(memoryLimit int64) {
	b := currentBuild()
	c.log.Info("divvy is starting", "version", b.Version, "commit", b.Commit,
		"storage", c.cfg.StoragePath, "cpus", runtime.GOMAXPROCS(0))
	if memoryLimit > 0 {
		c.log.Info("memory limit set from the container's", "bytes", memoryLimit)
	}
}

// trimAfter is when memory that only the start needed is given back: package
// initialisation and the first load are over.
const trimAfter = 5 * time.Second

// follow reloads at each hangup until ctx ends, and gives pages of the program
// back that are not read. Without that, most of what a small configuration shows
// as resident memory is code that ran once or never.
func (c *Collector) follow(ctx context.Context, hangups <-chan os.Signal) {
	var t trimmer
	trim := time.NewTimer(trimAfter)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			c.log.Info("divvy is stopping; a second signal ends it at once", "deadline", c.cfg.ShutdownDeadline)
			return
		case <-hangups:
			// The reason of a failure is in the log, and the old configuration runs.
			_ = c.reload()
		case <-trim.C:
			next, err := t.step()
			if err != nil { // no reason to worry anyone
				c.log.Debug("pages of the program not given back", "err", err)
			}
			trim.Reset(next)
		}
	}
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The
// second one then ends the process at once, as if nobody had listened.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		// Nobody listens any more: the next signal has its default effect.
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

// profileContention turns on the mutex and block profiles that the environment
// asks for. They cost time at every lock, so they are off otherwise.
func profileContention(env func(string) string) {
	if percent, err := strconv.Atoi(env("PPROF_MUTEX_PROFILING_PERCENT")); err == nil && percent > 0 {
		runtime.SetMutexProfileFraction(max(1, 100/percent))
	}
	if rate, err := strconv.Atoi(env("PPROF_BLOCK_PROFILING_RATE")); err == nil {
		runtime.SetBlockProfileRate(rate)
	}
}

// flagValues returns name=value of every flag.
func (c *Config) flagValues() []string {
	var lines []string
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	// The flags' defaults are the values that c holds: the set is bound to a copy.
	bound := *c
	bound.Flags(fs)
	fs.VisitAll(func(f *pflag.Flag) { lines = append(lines, f.Name+"="+f.Value.String()) })
	return lines
}
