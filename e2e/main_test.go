package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	outage    = flag.Duration("outage", 20*time.Second, "how long the receiver is down in TestOutage…")
	kills     = flag.Int("kills", 6, "how often TestKill… kills")
	rolling   = flag.Int("rolling", 3, "how many nodes are restarted in TestRollingRestart…")
	pause     = flag.Duration("pause", 10*time.Second, "how long a node is stopped in TestPaused…")
	split     = flag.Duration("split", 20*time.Second, "how long the network is split in TestSplit… and TestThird…")
	podCount  = flag.Int("pods", 500, "how many pods there are in TestKubernetes")
	objects   = flag.Int("objects", 2000, "how many pods that are no targets there are in TestKubernetes")
	apiOutage = flag.Duration("api-outage", 20*time.Second, "how long the API server is down in TestKubernetesOutage…")
	alloy     = flag.String("alloy", "", "Grafana Alloy's program, for TestAlloy…")
	binary    = flag.String("binary", "", "test this divvy instead of building one")
	racy      = flag.Bool("race-binary", false, "build divvy with the race detector")
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The processes mostly wait: more of them run at a time than there are cores.
	flag.Set("test.parallel", "12")
	var dir string
	if !testing.Short() && *binary == "" {
		var err error
		if dir, err = build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build builds divvy into a new directory and points binary to it.
func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "divvy-e2e-"); err != nil {
		return "", err
	}
	*binary = filepath.Join(dir, "divvy")
	args := []string{"build", "-o", *binary}
	if *racy {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/divvy-collector/divvy/cmd/divvy")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("build divvy: %w\n%s", err, out)
	}
	return dir, nil
}
