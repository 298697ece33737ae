package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax"
)

// Nothing is written before the output is settled; then everything that the
// level admits, in order and in the format that was asked for.
func TestLogWaitsForItsSettings(t *testing.T) {
	f := func(args LoggingArguments, want ...string) {
		t.Helper()
		var buf bytes.Buffer
		out := newLogOutput(&buf)
		log := out.Logger().With("component", "c")
		log.Debug("one", "k", "v w")
		log.Warn("two")
		if buf.Len() > 0 {
			t.Errorf("written early: %s", &buf)
		}
		if err := out.Apply(args); err != nil {
			t.Fatal(err)
		}
		log.Error("three")
		lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), &buf)
		}
		for i, line := range lines {
			if !strings.HasSuffix(line, want[i]) {
				t.Errorf("line %d is %s; want …%s", i, line, want[i])
			}
		}
	}
	f(LoggingArguments{Level: "debug", Format: "logfmt"},
		`level=debug msg=one component=c k="v w"`, `level=warn msg=two component=c`, `level=error msg=three component=c`)
	f(LoggingArguments{Level: "error", Format: "logfmt"}, `level=error msg=three component=c`)
	f(LoggingArguments{Level: "warn", Format: "json"},
		`"level":"warn","msg":"two","component":"c"}`, `"level":"error","msg":"three","component":"c"}`)
}

// While a support bundle is made it sees everything; the log stays as it is.
func TestTeeSeesEveryLevel(t *testing.T) {
	var buf, tee bytes.Buffer
	out := newLogOutput(&buf)
	if err := out.Apply(LoggingArguments{Level: "error", Format: "json"}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(out.Logger().Handler().WithGroup("g")).With("a", 1)
	stop := out.Tee(&tee)
	log.Debug("seen")
	stop()
	log.Debug("not seen")
	if got := tee.String(); !strings.Contains(got, "level=debug msg=seen g.a=1") || strings.Contains(got, "not seen") {
		t.Errorf("tee got %s", got)
	}
	if buf.Len() > 0 {
		t.Errorf("log got %s", &buf)
	}
}

// Each mistake in a logging block is named, with what would be right.
func TestLoggingArgumentsNameMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var args LoggingArguments
		err := syntax.Unmarshal([]byte(text), &args)
		switch {
		case want == "" && err == nil:
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
	f(``, "")
	f(`write_to = []`, "")
	f(`level = "trace"`, `level "trace" is none of error, warn, info, debug`)
	f(`format = "text"`, `format "text" is none of logfmt, json`)
	f(`destination = "windows_event_log"`, "stderr only")
}
