package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/divvy-collector/divvy/internal/profileserver"
	"github.com/divvy-collector/divvy/internal/testbed"
)

const (
	profiledCount = 20
	profileEvery  = 3 * time.Second // interval
	profileLasts  = 2 * time.Second // of the CPU
)

// A profiled is a process whose profiles are taken.
type profiled struct {
	name, addr string
	begun      profiledState // when the test began to count
}

// profiledState is what the process says of itself.
type profiledState struct {
	Memory   []struct{ TimeNanos, Bytes int64 }
	CPUNanos int64
}

// state asks the process.
func (p *profiled) state(t *testing.T) (s profiledState) {
	t.Helper()
	resp, err := (&http.Client{Transport: direct, Timeout: 30 * time.Second}).Get("http://" + p.addr + "/told")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// runProfiled builds and starts the processes, and ends them with the test.
func (c *cluster) runProfiled() (list []*profiled) {
	c.t.Helper()
	program := filepath.Join(c.t.TempDir(), "profiled")
	if out, err := exec.Command("go", "build", "-o", program, "./profiled").CombinedOutput(); err != nil {
		c.t.Fatalf("build profiled: %v\n%s", err, out)
	}
	for i := range profiledCount {
		p := &profiled{name: fmt.Sprintf("p%02d", i), addr: fmt.Sprintf("%s:%d", c.host, 9200+i)}
		cmd := exec.Command(program, p.addr)
		if err := cmd.Start(); err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		list = append(list, p)
	}
	return list
}

// configureProfiles lets the node take profiles of the processes and push them
// to port 4040, with its name as a label.
func (c *cluster) configureProfiles(node string, list []*profiled) {
	c.t.Helper()
	var b strings.Builder
	b.WriteString("pyroscope.scrape \"fleet\" {\n  targets = [\n")
	for _, p := range list {
		fmt.Fprintf(&b, "    {\"__address__\" = %q, \"service_name\" = %q},\n", p.addr, p.name)
	}
	fmt.Fprintf(&b, "  ]\n  scrape_interval = %q\n  delta_profiling_duration = %q\n  scrape_timeout = \"2s\"\n", profileEvery, profileLasts)
	b.WriteString(`  clustering {
    enabled = true
  }
  profiling_config {
    profile.goroutine {
      enabled = false
    }
    profile.block {
      enabled = false
    }
    profile.mutex {
      enabled = false
    }
  }
  forward_to = [pyroscope.write.server.receiver]
}

pyroscope.write "server" {
  external_labels = {"node" = sys.env("NODE")}
`)
	fmt.Fprintf(&b, "  endpoint {\n    url = \"http://%s:4040\"\n    remote_timeout = \"3s\"\n  }\n}\n", c.host)
	c.node(node).configure(b.String())
}

// A stretch is what one profile counts: from is when the profile before was
// made, or when this one began.
type stretch struct {
	from, to time.Time
	value    int64
	node     string
}

// stretches returns what was pushed of each process, by type, in order. Profiles
// that came twice, with the same ID, count once.
func stretches(t *testing.T, pushes []profileserver.Push) map[string][]stretch {
	t.Helper()
	out, seen := map[string][]stretch{}, map[string]bool{}
	for _, push := range pushes {
		if seen[push.ID] {
			continue
		}
		seen[push.ID] = true
		p, err := profile.ParseData(push.Raw)
		if err != nil {
			t.Fatalf("%s: %v", push.Labels, err)
		}
		s := stretch{to: time.Unix(0, p.TimeNanos), node: push.Labels.Get("node")}
		name := push.Labels.Get("__name__")
		switch name {
		case "memory":
			s.value = sumOf(p, "alloc_space", "main.allocate")
		case "process_cpu":
			s.from, s.to = s.to, s.to.Add(time.Duration(p.DurationNanos))
			s.value = sumOf(p, "cpu", "")
		default:
			t.Fatalf("a profile of type %q", name)
		}
		key := push.Labels.Get("service_name") + " " + name
		out[key] = append(out[key], s)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b stretch) int { return a.to.Compare(b.to) })
	}
	return out
}

// sumOf sums up the values of a type where function is the innermost; empty: all.
func sumOf(p *profile.Profile, kind, function string) (sum int64) {
	i := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == kind })
	for _, s := range p.Sample {
		if function == "" || s.Location[0].Line[0].Function.Name == function {
			sum += s.Value[i]
		}
	}
	return sum
}

// What the processes allocated is in their profiles, each byte once, whoever
// takes them: across a join, a leave and a restart nothing is missing, and
// across kill -9 no more than what one hole may cost. Of their time on the CPU
// no moment is counted twice either.
func TestProfilesAddUpWhileNodesComeAndGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	server := profileserver.New()
	bed, err := testbed.Serve(c.host+":4040", 0, server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bed.Close() })
	list := c.runProfiled()
	for _, name := range []string{"a", "b", "c"} {
		c.configureProfiles(name, list)
	}
	c.start("a")
	c.start("a", "b")
	c.wait(profileEvery)
	for _, p := range list {
		p.begun = p.state(t)
	}
	begun := time.Now()
	c.start("a", "b", "c")
	c.wait(2 * profileEvery)
	c.node("b").stop()
	c.wait(profileEvery + time.Second)
	died := c.node("a").kill()
	c.wait(profileEvery + 5*time.Second)
	c.node("a").start() // delivers what it had
	c.wait(profileEvery + time.Second)
	ended, pushes := time.Now(), server.Pushes()
	states := map[*profiled]profiledState{}
	for _, p := range list {
		states[p] = p.state(t)
	}

	got := stretches(t, pushes)
	all := cpuCount{begun: begun, died: died}
	used := int64(0)
	for _, p := range list {
		state := states[p]
		c.checkMemory(p, state, got[p.name+" memory"], died)
		c.checkCPU(p, got[p.name+" process_cpu"], &all)
		used += state.CPUNanos - p.begun.CPUNanos
	}
	share := float64(all.lasted) / float64(ended.Sub(begun)*profiledCount)
	expect := time.Duration(float64(used) * share)
	t.Logf("%d pushes; %d profiles of the CPU, %d slots without, cover %.0f %% of the time and count %s of about %s",
		len(pushes), all.profiles, all.missed, 100*share, all.counted, expect)
	if off := float64(all.counted)/float64(expect) - 1; off < -0.3 || off > 0.3 {
		t.Errorf("profiles of the CPU count %s; the processes used about %s", all.counted, expect)
	}
	if all.missed > all.profiles/20 {
		t.Errorf("%d slots are without a profile of the CPU; %d have one", all.missed, all.profiles)
	}
}

// checkMemory checks that each delta is the difference of what the process told
// at two times, and that one begins where the one before ended, but for the
// hole after kill -9.
func (c *cluster) checkMemory(p *profiled, state profiledState, list []stretch, died time.Time) {
	c.t.Helper()
	at := map[int64]int{} // of what was told, by time
	for i, told := range state.Memory {
		at[told.TimeNanos] = i
	}
	last, holes := -1, 0
	for _, s := range list {
		end, known := at[s.to.UnixNano()]
		if !known {
			c.t.Fatalf("%s: a profile of %s, when it told none", p.name, s.to)
		}
		start := end - 1
		for start >= 0 && state.Memory[end].Bytes-state.Memory[start].Bytes < s.value {
			start--
		}
		if start < 0 || state.Memory[end].Bytes-state.Memory[start].Bytes != s.value {
			c.t.Errorf("%s: a delta of %d bytes by %s, which the process never told", p.name, s.value, s.node)
			continue
		}
		switch from := time.Unix(0, state.Memory[start].TimeNanos); {
		case last >= 0 && start < last:
			c.t.Errorf("%s: allocations from %s are counted twice, by %s", p.name, from, s.node)
		case last >= 0 && start > last:
			hole := time.Unix(0, state.Memory[last].TimeNanos)
			holes++
			if hole.After(died) || from.Before(died) || from.Sub(hole) > 2*profileEvery+5*time.Second {
				c.t.Errorf("%s: a hole from %s to %s; the node died at %s", p.name, hole, from, died)
			}
		}
		last = end
	}
	if len(list) < 5 || holes > 1 {
		c.t.Errorf("%s: %d deltas, %d holes", p.name, len(list), holes)
	}
	if n := len(state.Memory); last >= 0 && n-last > 2 {
		c.t.Errorf("%s: the last %d profiles that it told were not counted", p.name, n-last-1)
	}
}

// A cpuCount sums up profiles of the CPU since begun.
type cpuCount struct {
	begun, died      time.Time
	profiles, missed int // missed: slots that a machine under load left out
	lasted, counted  time.Duration
}

// checkCPU checks that profiles of the CPU do not overlap and that no hole is
// longer than an interval and five seconds, and adds them up.
func (c *cluster) checkCPU(p *profiled, list []stretch, all *cpuCount) {
	c.t.Helper()
	for i, s := range list {
		if s.from.After(all.begun) {
			all.profiles++
			all.counted += time.Duration(s.value)
			all.lasted += s.to.Sub(s.from)
		}
		if i == 0 {
			continue
		}
		before := list[i-1]
		gap := s.from.Sub(before.to)
		crossed := before.to.Before(all.died.Add(time.Second)) && s.to.After(all.died)
		switch {
		case gap < 0:
			c.t.Errorf("%s: the CPU is counted twice from %s, by %s and %s", p.name, s.from, before.node, s.node)
		case gap > profileEvery+profileLasts+5*time.Second:
			c.t.Errorf("%s: no profile of the CPU from %s to %s, by %s and %s", p.name, before.to, s.from, before.node, s.node)
		case !crossed && gap > profileEvery:
			all.missed++
		}
	}
}
