package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// LoggingArguments are those of the logging block. It says how much is logged
// and how; a reload changes it while divvy runs.
type LoggingArguments struct {
	Level       string         `alloy:"level,attr,optional"`       // error, warn, info or debug
	Format      string         `alloy:"format,attr,optional"`      // logfmt or json
	Destination string         `alloy:"destination,attr,optional"` // stderr is the only one
	WriteTo     []logsReceiver `alloy:"write_to,attr,optional"`    // refused: there are no log components yet
}

// A logsReceiver is what log components would export.
type logsReceiver struct{}

// AlloyCapsule marks logsReceiver as opaque to expressions.
func (logsReceiver) AlloyCapsule() {}

// SetToDefault resets a to what an empty block means.
func (a *LoggingArguments) SetToDefault() {
	*a = LoggingArguments{Level: "info", Format: "logfmt", Destination: "stderr"}
}

// Validate returns everything that is wrong with a, or nil.
func (a *LoggingArguments) Validate() error {
	var errs []error
	if _, err := parseLevel(a.Level); err != nil {
		errs = append(errs, err)
	}
	if a.Format != "logfmt" && a.Format != "json" {
		errs = append(errs, fmt.Errorf("format %q is none of logfmt, json", a.Format))
	}
	if a.Destination != "stderr" {
		errs = append(errs, fmt.Errorf("destination %q cannot work: divvy logs to stderr only", a.Destination))
	}
	if len(a.WriteTo) > 0 {
		errs = append(errs, errors.New("write_to cannot work: this divvy has no components that take logs; leave it out"))
	}
	return errors.Join(errs...)
}

// parseLevel returns the level that the logging block calls name.
func parseLevel(name string) (slog.Level, error) {
	switch name {
	case "error":
		return slog.LevelError, nil
	case "warn":
		return slog.LevelWarn, nil
	case "info":
		return slog.LevelInfo, nil
	case "debug":
		return slog.LevelDebug, nil
	}
	return 0, fmt.Errorf("level %q is none of error, warn, info, debug", name)
}

// maxPending bounds the records that wait for the first logging block.
const maxPending = 1000

// A logOutput is where every logger of one Collector ends. Until it is settled
// it keeps records back, so that the first line already has the format that the
// configuration asks for: who reads logs as JSON cannot read one line of logfmt.
// Any number of goroutines may use it.
//
//	loggers ─► logHandler ─┬─ not settled ─► pending
//	                       ├─ level, format ─► w
//	                       └─ tee, every level ─► support bundle
type logOutput struct {
	level   slog.LevelVar
	json    atomic.Bool
	settled atomic.Bool
	tee     atomic.Pointer[io.Writer] // gets every record, debug too, while a support bundle is made

	mu      sync.Mutex // guards w and pending
	w       io.Writer
	pending []func()
}

// newLogOutput returns an output that will write to w.
func newLogOutput(w io.Writer) *logOutput { return &logOutput{w: w} }

// Logger returns the root of all loggers that end in o.
func (o *logOutput) Logger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: nameAttr}
	return slog.New(&logHandler{
		out:    o,
		logfmt: slog.NewTextHandler(o, opts),
		json:   slog.NewJSONHandler(o, opts),
		tee:    slog.NewTextHandler(teeWriter{o}, opts),
	})
}

// Apply makes args, which are valid, the settings from now on, and settles o.
func (o *logOutput) Apply(args LoggingArguments) error {
	level, err := parseLevel(args.Level)
	if err != nil {
		return err
	}
	o.level.Set(level)
	o.json.Store(args.Format == "json")
	o.settle()
	return nil
}

// settle writes what was kept back; from now on records are written at once.
func (o *logOutput) settle() {
	o.mu.Lock()
	pending := o.pending
	o.pending = nil
	o.settled.Store(true)
	o.mu.Unlock()
	for _, write := range pending {
		write()
	}
}

// giveUp settles o for a Collector that has loaded nothing and will end: of what
// was kept back, it writes warnings and errors.
func (o *logOutput) giveUp() {
	if !o.settled.Load() {
		o.level.Set(slog.LevelWarn)
		o.settle()
	}
}

// keep holds write back until o is settled. It returns false if o is settled.
func (o *logOutput) keep(write func()) bool {
	if o.settled.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled.Load() {
		return false
	}
	if len(o.pending) < maxPending {
		o.pending = append(o.pending, write)
	}
	return true
}

// Write writes one line. It is what the slog handlers of o write to.
func (o *logOutput) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(line)
}

// Tee sends a copy of every record to w until the returned function is called.
func (o *logOutput) Tee(w io.Writer) (stop func()) {
	o.tee.Store(&w)
	return func() { o.tee.Store(nil) }
}

// A teeWriter writes to the tee of its output, if there is one.
type teeWriter struct{ out *logOutput }

// Write writes one line.
func (t teeWriter) Write(line []byte) (int, error) {
	if w := t.out.tee.Load(); w != nil {
		return (*w).Write(line)
	}
	return len(line), nil
}

// A logHandler renders records in the format that its output is set to at that
// moment. It carries the same attributes in all formats: a logger that was made
// before a reload follows it.
type logHandler struct {
	out               *logOutput
	logfmt, json, tee slog.Handler
}

// Enabled reports whether a record of this level would be written anywhere.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.out.level.Level() || !h.out.settled.Load() || h.out.tee.Load() != nil
}

// Handle writes r, or keeps it until the output is settled.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.out.tee.Load() != nil {
		if err := h.tee.Handle(ctx, r); err != nil {
			return err
		}
	}
	if h.out.keep(func() { _ = h.write(context.WithoutCancel(ctx), r) }) {
		return nil
	}
	return h.write(ctx, r)
}

func (h *logHandler) write(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level < h.out.level.Level():
		return nil
	case h.out.json.Load():
		return h.json.Handle(ctx, r)
	}
	return h.logfmt.Handle(ctx, r)
}

// WithAttrs returns h with attrs on every record.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.out, h.logfmt.WithAttrs(attrs), h.json.WithAttrs(attrs), h.tee.WithAttrs(attrs)}
}

// WithGroup returns h with further attributes under name.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.out, h.logfmt.WithGroup(name), h.json.WithGroup(name), h.tee.WithGroup(name)}
}

// nameAttr spells the attributes that every record has as operators expect
// them: ts in UTC, and levels in lower case.
func nameAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("ts", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	case slog.LevelKey:
		return slog.String(slog.LevelKey, strings.ToLower(a.Value.String()))
	}
	if d, ok := a.Value.Any().(time.Duration); ok {
		return slog.String(a.Key, d.String())
	}
	return a
}
