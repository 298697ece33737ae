package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/fleet/simulate"
)

// fleet runs divvy fleet against d and returns what it says and its exit code.
func (d *divvy) fleet(args ...string) (text string, code int) {
	d.w.t.Helper()
	cmd := exec.Command(*binary, append([]string{"fleet"}, args...)...)
	cmd.Env = append(cmd.Environ(), "DIVVY_ADDR="+d.addr)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.w.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// says fails the test unless divvy fleet ends with code and says what matches
// each pattern.
func (d *divvy) says(code int, args string, patterns ...string) (text string) {
	d.w.t.Helper()
	text, got := d.fleet(strings.Fields(args)...)
	if got != code {
		d.w.t.Errorf("fleet %s ends with %d; want %d\n%s", args, got, code, text)
	}
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(text) {
			d.w.t.Errorf("fleet %s does not say %s:\n%s", args, p, text)
		}
	}
	return text
}

// answer reads what divvy fleet says with --json into v.
func (d *divvy) answer(v any, args ...string) {
	d.w.t.Helper()
	text, _ := d.fleet(append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		d.w.t.Fatalf("fleet %v: %v\n%s", args, err, text)
	}
}

// shares returns how many targets each node owns, as d says.
func (d *divvy) shares() map[string]int {
	d.w.t.Helper()
	var page report.Page
	d.answer(&page, "targets", "--limit", "0")
	shares := map[string]int{}
	for _, p := range page.Targets {
		shares[p.Owner]++
	}
	return shares
}

// Whoever is asked, the command line says the same of all nodes, and what it
// says of owners is what the targets have seen. What simulate foretells of a kill
// comes true.
func TestCommandLineTellsOfTheWholeFleet(t *testing.T) {
	c, _ := started(t, "a", "b", "c")
	c.wait(slotEvery)
	scraped := c.owners(time.Now())
	for _, name := range []string{"a", "b", "c"} {
		d := c.node(name)
		d.says(0, "status", fmt.Sprintf(`^all is well: 3 nodes, %d targets, each scraped once$`, clusterTargets),
			`^a  +serving  .* ago`, `^b  +serving  .* ago`, `^c  +serving  .* ago`)
		d.says(0, "coverage", fmt.Sprintf(`^prometheus\.scrape\.fleet +%d +0 +0$`, clusterTargets))
		d.says(0, "targets --limit 1", fmt.Sprintf(`^%d targets; the first 1 are shown`, clusterTargets))
		if got, want := d.shares(), count(scraped, "a"); got["a"] != want || got["a"]+got["b"]+got["c"] != clusterTargets {
			t.Errorf("%s says that nodes own %v; the targets have seen a at %d of them", name, got, want)
		}
	}
	a := c.node("a")
	for target, node := range scraped {
		a.says(0, "owner "+target, "is scraped by "+node+"$", "^  known on +a, b and c$")
		break
	}
	a.says(1, "owner nobody:1", "^no node knows a target nobody:1")
	a.says(2, "targets -l {", `400 Bad Request`)

	var foretold simulate.Result
	a.answer(&foretold, "simulate", "--events", "0s:kill:b")
	b := c.node("b")
	b.kill()
	b.says(2, "status", "connection refused; start divvy there")
	c.until(10*time.Second, "the fleet is well without b", func() bool {
		text, code := a.fleet("status")
		return code == 0 && strings.HasPrefix(text, "all is well: 2 nodes")
	})
	after := map[string]int{}
	for _, s := range foretold.Steps[0].After.Shares {
		after[s.Name] = s.Targets
	}
	c.until(5*time.Second, fmt.Sprintf("nodes own what was foretold, %v", after), func() bool {
		return maps.Equal(a.shares(), after)
	})

	c.node("c").signal(syscall.SIGSTOP)
	silent := regexp.MustCompile(`^\d+ things? (is|are) wrong:\n(?s:.*)\nc +silent\n$`)
	c.until(5*time.Second, "c is named, which gives no answer", func() bool {
		text, code := a.fleet("status")
		return code == 1 && silent.MatchString(text)
	})
	c.node("c").signal(syscall.SIGCONT)
}
