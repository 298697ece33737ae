package script

import (
	"strings"
	"testing"
)

// Outputs are replaced by what the commands give; everything else stays.
func TestReplayKeepsEverythingButOutputs(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		echo := func(c Command) string { return strings.Join(c.Words[1:], " ") + "\n" + c.Input }
		if got := replay(text, echo); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	f("", "\n")
	f("# a comment\n\necho a\n----\nold\n", "# a comment\n\necho a\n----\na\n")
	f("echo a\necho b\n----\n\necho c\n----\nc\n", "echo a\necho b\n----\na\nb\n\necho c\n----\nc\n")
	f("echo a\n\tinput\n\n----\n", "echo a\n\tinput\n\n----\na\ninput\n")
	f("echo\n----\n.\n", "echo\n----\n.\n")
}
