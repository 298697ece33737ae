package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/internal/script"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is what the clock of the stored node says.
var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// Each file in testdata/script is a session of someone at a shell, who asks a node
// whose answers are stored in testdata/api/NAME. Besides divvy fleet itself a
// session knows:
//
//	node NAME [PREFIX]   begin with a node that answers so, at $ADDR
//	guard NAME PASSWORD  from now on the node demands them
//	file NAME            write the text below into a file
//	asked                show what the node was asked last
//	divvy __complete …   what a shell offers
func TestSessions(t *testing.T) {
	root, err := filepath.Abs("testdata/api")
	if err != nil {
		t.Fatal(err)
	}
	script.Run(t, "testdata/script/*.txt", func(t *testing.T) func(script.Command) string {
		t.Chdir(t.TempDir())
		s := &shell{t: t, root: root}
		return s.run
	})
}

// The stored answers are ones that a node could give: they have no field that
// the API has not.
func TestStoredAnswersAreOfTheAPI(t *testing.T) {
	f := func(name string, v any) {
		t.Helper()
		files, err := filepath.Glob("testdata/api/*/" + name + ".json")
		if err != nil || len(files) == 0 {
			t.Fatalf("no answers of %s: %v", name, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.DisallowUnknownFields()
			if err := dec.Decode(v); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	f("status", new(report.Fleet))
	f("targets", new(report.Page))
	f("owner", new(report.Page))
	f("coverage", new([]report.Coverage))
	f("events", new([]report.Event))
}

// Whatever is in an answer, it is shown or refused.
func FuzzAnswerIsShownOrRefused(f *testing.F) {
	files, err := filepath.Glob("testdata/api/*/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no answers: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	p := paper{w: io.Discard, columns: 80, colours: true}
	f.Fuzz(func(t *testing.T, text []byte) {
		a := answer{body: text, at: now}
		var fleet report.Fleet
		if json.Unmarshal(text, &fleet) == nil {
			showStatus(p, a, fleet)
			showCoverage(p, a, fleet)
		}
		var page report.Page
		if json.Unmarshal(text, &page) == nil {
			showTargets(p, a, page)
			showOwners(p, a, "x", page)
		}
		var happened chronicle
		if json.Unmarshal(text, &happened) == nil {
			e := &events{session: &session{Config: Config{Out: io.Discard}}}
			e.report(now, happened.after(now, time.Hour))
			e.show(now, happened)
		}
	})
}

// Whoever asks for help gets an example.
func TestEachCommandHasAnExample(t *testing.T) {
	root := New(Config{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	for _, cmd := range append(root.Commands(), root) {
		if !strings.HasPrefix(cmd.Example, "  divvy fleet ") || cmd.Long == "" {
			t.Errorf("%s: help is %q, example %q", cmd.CommandPath(), cmd.Long, cmd.Example)
		}
	}
}

// A shell is one session.
type shell struct {
	t      *testing.T
	root   string
	addr   string
	guard  [2]string
	prefix string
	asked  string
}

func (s *shell) run(c script.Command) string {
	switch c.Words[0] {
	case "node":
		s.serve(c.Words[1])
		s.prefix = strings.Join(c.Words[2:], "")
		return ""
	case "guard":
		s.guard = [2]string{c.Words[1], c.Words[2]}
		return ""
	case "file":
		if err := os.WriteFile(c.Words[1], []byte(c.Input), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return ""
	case "asked":
		return s.asked + "\n"
	case "fleet":
		return s.fleet(c.Words)
	case "divvy":
		return s.fleet(c.Words[1:])
	}
	s.t.Fatalf("unknown command %q", c.Words[0])
	return ""
}

// serve starts a node that answers as it is stored.
func (s *shell) serve(name string) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = r.URL.RequestURI()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		user, password, _ := r.BasicAuth()
		what, ok := strings.CutPrefix(r.URL.Path, s.prefix+"/api/v0/fleet/")
		switch {
		case s.guard != [2]string{user, password}:
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		case !ok:
			http.NotFound(w, r)
		case r.URL.Query().Get("l") == "{":
			http.Error(w, "selector {: the closing brace is missing", http.StatusBadRequest)
		default:
			http.ServeFile(w, r, filepath.Join(s.root, name, what+".json"))
		}
	}))
	s.t.Cleanup(node.Close)
	s.addr = strings.TrimPrefix(node.URL, "http://")
}

// fleet runs divvy fleet and returns what it shows, with $ADDR for the address.
func (s *shell) fleet(args []string) string {
	var out bytes.Buffer
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$ADDR", s.addr)
	}
	code := execute(s.t, &out, s.addr, args)
	text := out.String()
	if s.addr != "" {
		text = strings.ReplaceAll(text, s.addr, "$ADDR")
	}
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	return text
}

// execute runs divvy fleet with args against the node at addr, as main does.
func execute(t *testing.T, out *bytes.Buffer, addr string, args []string) (code int) {
	t.Helper()
	cmd := &cobra.Command{Use: "divvy", SilenceErrors: true, SilenceUsage: true}
	cmd.AddCommand(New(Config{Out: out, Err: out, Getenv: func(name string) string {
		return map[string]string{"DIVVY_ADDR": addr}[name]
	}}))
	cmd.SetOut(out)
	cmd.SetErr(out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	var exit *Exit
	if err != nil && !errors.As(err, &exit) {
		t.Errorf("%v: error %v has no exit code", args, err)
	}
	if exit == nil {
		return 0
	}
	if exit.Err != nil {
		fmt.Fprintf(out, "Error: %s\n", exit.Err)
	}
	return exit.Code
}
