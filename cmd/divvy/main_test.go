package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/internal/script"
)

// asDivvy is the environment variable that makes the test's program be divvy: the
// nodes of a demo are processes.
const asDivvy = "DIVVY_TEST_AS_DIVVY"

func TestMain(m *testing.M) {
	if os.Getenv(asDivvy) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// Each file in testdata/script is a session of someone at a shell, in an empty
// directory. Besides divvy itself a session knows:
//
//	file NAME     write the text below into a file
//	cat NAME      show it
//	mkdir NAME    make a directory
func TestSessions(t *testing.T) {
	script.Run(t, "testdata/script/*.txt", func(t *testing.T) func(script.Command) string {
		t.Chdir(t.TempDir())
		return func(c script.Command) string { return session(t, c) }
	})
}

// session runs one command of a session and returns what it shows.
func session(t *testing.T, c script.Command) string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch c.Words[0] {
	case "file":
		must(os.MkdirAll(filepath.Dir(c.Words[1]), 0o755))
		must(os.WriteFile(c.Words[1], []byte(c.Input), 0o644))
		return ""
	case "mkdir":
		must(os.MkdirAll(c.Words[1], 0o755))
		return ""
	case "cat":
		text, err := os.ReadFile(c.Words[1])
		must(err)
		return string(text)
	case "divvy":
		var out bytes.Buffer
		code := execute(c.Words[1:], console{in: strings.NewReader(c.Input), out: &out, err: &out})
		if code != 0 {
			fmt.Fprintf(&out, "exit %d\n", code)
		}
		return out.String()
	}
	t.Fatalf("unknown command %q", c.Words[0])
	return ""
}

// What is formatted stays as it is when it is formatted again.
func TestFormatIsStable(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.alloy")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		once, err := format(file, text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if twice, err := format(file, once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s: formatting again gives (%v)\n%s", file, err, twice)
		}
	}
}
