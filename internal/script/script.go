// Package script runs tests that are texts. A file in testdata is a list of
// blocks; each block is commands, a line of four dashes, and the output that
// the commands are expected to give:
//
//	# What this block shows.
//	validate config.alloy
//	----
//	Error: config.alloy:1:1: …
//
// An output ends at a blank line that is followed by a command, so it may hold
// blank lines only if they are written as a lone dot. Lines that begin with # and
// blank lines before a command are kept as they are.
//
// A command may have a text below it, indented by a tab, which it gets as its
// input.
//
// Run with -update, a test rewrites its files with the outputs that it got:
// read the diff before you believe it.
package script

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected outputs of script tests")

// A Command is one line of a script: words, of which the first says what to do,
// and the indented text below it.
type Command struct {
	Words []string
	Input string
}

// Run runs every file that matches pattern as a subtest. open is called once for
// each file and returns what executes its commands, in order; the outputs of
// the commands of a block are joined.
func Run(t *testing.T, pattern string, open func(t *testing.T) func(Command) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s: %v", pattern, err)
	}
	for _, file := range files {
		// A test may change the directory.
		file, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(string(text), open(t))
			switch {
			case got == string(text):
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s: outputs differ (-update rewrites them)\n%s", file, firstDifference(string(text), got))
			}
		})
	}
}

// replay returns text with the outputs that execute gives.
func replay(text string, execute func(Command) string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		var commands []Command
		for ; i < len(lines) && lines[i] != "----"; i++ {
			out.WriteString(lines[i] + "\n")
			commands = appendLine(commands, lines[i])
		}
		if i == len(lines) {
			break
		}
		out.WriteString("----\n")
		for i++; i < len(lines) && lines[i] != ""; i++ {
		}
		for _, c := range commands {
			out.WriteString(dotted(execute(c)))
		}
		if i < len(lines) {
			out.WriteString("\n")
			i++
		}
	}
	return out.String()
}

// appendLine adds one line before the dashes to commands.
func appendLine(commands []Command, line string) []Command {
	switch {
	case strings.HasPrefix(line, "\t") && len(commands) > 0:
		commands[len(commands)-1].Input += line[1:] + "\n"
	case line == "" || strings.HasPrefix(line, "#"):
	default:
		commands = append(commands, Command{Words: strings.Fields(line)})
	}
	return commands
}

// dotted returns output ending in a newline, with a dot on each blank line.
func dotted(output string) string {
	if output == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	for i, line := range lines {
		if lines[i] = strings.TrimRight(line, " "); lines[i] == "" {
			lines[i] = "."
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// firstDifference returns the first lines at which want and got part.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := lineOf(w, i), lineOf(g, i)
		if a != b {
			return "want: " + a + "\n got: " + b + "\n\nwhole output:\n" + got
		}
	}
	return ""
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end of file)"
}
