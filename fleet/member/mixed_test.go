package member

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A foreigner is a process of e2e/ckit: a node of the kind that Grafana Alloy
// has.
type foreigner struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
}

// buildForeigner builds e2e/ckit, a module of its own.
func buildForeigner(t *testing.T) string {
	t.Helper()
	fetch := exec.Command("go", "mod", "download")
	fetch.Dir = "../../e2e/ckit"
	if out, err := fetch.CombinedOutput(); err != nil {
		t.Skipf("the modules of e2e/ckit cannot be had here: %v\n%s", err, out)
	}
	bin := filepath.Join(t.TempDir(), "ckit")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = "../../e2e/ckit"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build e2e/ckit: %v\n%s", err, out)
	}
	return bin
}

func startForeigner(t *testing.T, bin, name string, join ...string) *foreigner {
	t.Helper()
	cmd := exec.Command(bin, "-name", name, "-label", "test", "-join", strings.Join(join, ","))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s does not start: %v", name, err)
	}
	return &foreigner{t: t, addr: strings.TrimSpace(line), cmd: cmd}
}

// ask returns the lines that the foreigner answers.
func (f *foreigner) ask(method, path, body string) []string {
	f.t.Helper()
	req, _ := http.NewRequest(method, "http://"+f.addr+path, strings.NewReader(body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// owners returns the owners of keys as the node sees them.
func (p *peer) owners(keys []owner.Key) []string {
	var names []string
	view, now := p.View().Load(), time.Now()
	for _, k := range keys {
		m, ok := view.Owner(k, now)
		if !ok {
			m.Name = "-"
		}
		names = append(names, m.Name)
	}
	return names
}

// disagreement returns in what the nodes differ about who owns what among n
// nodes, or "".
func disagreement(n int, keys []owner.Key, ours []*peer, theirs []*foreigner) string {
	want := ours[0].owners(keys)
	if all := slices.Compact(slices.Sorted(slices.Values(want))); len(all) != n {
		return fmt.Sprintf("owners are %v", all)
	}
	var body strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&body, "%x\n", uint64(k))
	}
	for i, c := range ours[1:] {
		if got := c.owners(keys); !slices.Equal(got, want) {
			return fmt.Sprintf("citizen %d sees other owners", i+1)
		}
	}
	for i, f := range theirs {
		if got := f.ask("POST", "/owners", body.String()); !slices.Equal(got, want) {
			return fmt.Sprintf("foreigner %d sees other owners: %v", i, f.ask("GET", "/peers", ""))
		}
	}
	return ""
}

// Nodes of Alloy's kind and ours are one cluster: they agree on every owner
// once settled, whichever comes or goes, and take nobody alive for dead.
func TestMixedClusterAgreesOnEveryOwner(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var keys []owner.Key
	for range 500 {
		keys = append(keys, owner.Key(rnd.Uint64()))
	}
	settle := func(what string, n int, ours []*peer, theirs []*foreigner) {
		t.Helper()
		last := ""
		defer func() {
			if t.Failed() {
				t.Log(last)
			}
		}()
		took := within(t, 2*time.Minute, what, func() bool {
			last = disagreement(n, keys, ours, theirs)
			return last == ""
		})
		t.Logf("%s: one view after %s", what, took.Round(100*time.Millisecond))
	}
	bin := buildForeigner(t)
	x := startForeigner(t, bin, "x")
	y := startForeigner(t, bin, "y", x.addr)
	a := start(t, "a", x.addr)
	settle("one of ours joins two", 3, []*peer{a}, []*foreigner{x, y})
	b := start(t, "b", y.addr)
	settle("another of ours joins", 4, []*peer{a, b}, []*foreigner{x, y})

	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 120 {
		<-tick.C
		if d := disagreement(4, keys, []*peer{a, b}, []*foreigner{x, y}); d != "" {
			t.Fatalf("nothing happens, and %s", d)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	b.end()
	settle("one of ours leaves", 3, []*peer{a}, []*foreigner{x, y})
	y.ask("POST", "/leave", "")
	settle("one of theirs leaves", 2, []*peer{a}, []*foreigner{x})
	b = start(t, "b", x.addr)
	settle("ours comes back", 3, []*peer{a, b}, []*foreigner{x})
	b.kill()
	settle("one of ours dies", 2, []*peer{a}, []*foreigner{x})
	x.cmd.Process.Kill()
	settle("one of theirs dies", 1, []*peer{a}, nil)
}
