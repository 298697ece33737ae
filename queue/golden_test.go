package queue

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/vfs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// dump returns b as text, without long runs of zeros.
func dump(b []byte) string {
	var out []string
	for _, line := range strings.SplitAfter(hex.Dump(b), "\n") {
		if !strings.Contains(line, strings.Repeat("00 ", 8)+" "+strings.Repeat("00 ", 8)) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// The order in which a log touches the disk is what its promises rest on: one
// write for a group, the cursor before the deletion, the names synced.
func TestOrderOfFileOperations(t *testing.T) {
	fs := vfs.NewMem()
	var out strings.Builder
	fs.Intercept(func(op vfs.Op) error {
		out.WriteString(op.String() + "\n")
		return nil
	})
	say := func(what string) { out.WriteString("# " + what + "\n") }
	say("open")
	l := open(t, small(fs))
	say("append three")
	l.append(0, 3)
	say("append two")
	l.append(3, 5)
	say("append more than the segment holds")
	l.append(5, 9)
	say("take and ack all, from memory")
	l.take(0, 9)
	say("housekeeping")
	l.keep()
	say("housekeeping, with nothing to do")
	l.keep()
	say("append one")
	l.append(9, 10)
	say("close")
	l.close()
	say("open again")
	l = open(t, small(fs))
	say("take and ack, from the file")
	l.take(9, 10)
	say("append one")
	l.append(10, 11)
	say("close")
	l.close()
	golden(t, "operations.txt", out.String())
}
