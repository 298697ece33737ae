package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// A divvy is one process, and what outlives it: configuration and storage.
type divvy struct {
	w       *world
	dir     string // config.alloy, storage/, log
	storage string
	addr    string
	args    []string // further flags
	env     []string // further variables, as NAME=value
	wrap    []string // a command that runs the one that is appended to it; nil: none
	program string   // another one with the same flags; empty: divvy

	cmd  *exec.Cmd
	exit chan error // receives what cmd.Wait returned, once
}

// newDivvy prepares a divvy that scrapes the world's fleet once a second and
// writes to its receiver.
func (w *world) newDivvy() *divvy {
	w.t.Helper()
	dir := w.t.TempDir()
	d := &divvy{w: w, dir: dir, storage: filepath.Join(dir, "storage"), addr: w.host + ":12345"}
	d.configure(w.config("", w.endpoint(9009, "")))
	return d
}

// endpoint returns the block of an endpoint at a port of the world, with more
// arguments.
func (w *world) endpoint(port int, more string) string {
	return fmt.Sprintf("  endpoint {\n    url = \"http://%s:%d/api/v1/write\"\n    remote_timeout = \"3s\"\n%s  }\n", w.host, port, more)
}

// config returns a configuration for the world, with more arguments of the
// scrape, and the endpoints.
func (w *world) config(scrape string, endpoints ...string) string {
	return w.configEvery(time.Second, 900*time.Millisecond, scrape, endpoints...)
}

// configEvery is config with another interval and timeout of the scrape.
func (w *world) configEvery(interval, timeout time.Duration, scrape string, endpoints ...string) string {
	var b strings.Builder
	b.WriteString("prometheus.scrape \"fleet\" {\n  targets = [\n")
	for _, g := range w.fleet.Groups(w.targets.Addr()) {
		fmt.Fprintf(&b, "    {\"__address__\" = %q, \"__metrics_path__\" = %q, \"instance\" = %q},\n",
			g.Targets[0], g.Labels["__metrics_path__"], g.Labels["instance"])
	}
	fmt.Fprintf(&b, "  ]\n  scrape_interval = %q\n  scrape_timeout = %q\n  job_name = \"fleet\"\n", interval, timeout)
	b.WriteString("  body_size_limit = \"10MiB\"\n" + scrape)
	b.WriteString("  forward_to = [prometheus.remote_write.sink.receiver]\n}\n\n")
	b.WriteString("prometheus.remote_write \"sink\" {\n" + strings.Join(endpoints, "") + "}\n")
	return b.String()
}

// configure replaces the configuration file.
func (d *divvy) configure(text string) {
	d.w.t.Helper()
	if err := os.WriteFile(d.path("config.alloy"), []byte(text), 0o644); err != nil {
		d.w.t.Fatal(err)
	}
}

func (d *divvy) path(name string) string { return filepath.Join(d.dir, name) }

// start runs the process until the test ends, and waits until it is ready.
func (d *divvy) start() {
	d.w.t.Helper()
	d.launch()
	d.ready()
}

// ready waits until the process is ready.
func (d *divvy) ready() {
	d.w.t.Helper()
	d.w.until(20*time.Second, "divvy is ready", func() bool {
		select {
		case err := <-d.exit:
			d.exit <- err
			d.w.t.Fatalf("divvy ended: %v\n%s", err, d.log())
		default:
		}
		status, _ := d.get("/-/ready")
		return status == http.StatusOK
	})
}

// launch runs the process.
func (d *divvy) launch() {
	d.w.t.Helper()
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		d.w.t.Fatal(err)
	}
	defer log.Close()
	args := slices.Concat(d.wrap, []string{cmp.Or(d.program, *binary), "run", "--server.http.listen-addr=" + d.addr, "--storage.path=" + d.storage},
		d.args, []string{d.path("config.alloy")})
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Env = append(os.Environ(), d.env...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		d.w.t.Fatal(err)
	}
	cmd, exit := d.cmd, make(chan error, 1)
	d.exit = exit
	go func() { exit <- cmd.Wait() }()
	d.w.t.Cleanup(func() {
		cmd.Process.Kill()
		<-exit
		exit <- nil
		if d.w.t.Failed() {
			d.w.t.Logf("log of divvy:\n%s", d.log())
		}
	})
}

// log returns the end of what all processes of d have logged.
func (d *divvy) log() string {
	text, _ := os.ReadFile(d.path("log"))
	return string(text[max(0, len(text)-4000):])
}

// signal sends sig.
func (d *divvy) signal(sig syscall.Signal) {
	d.w.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.w.t.Fatal(err)
	}
}

// ended waits for the process to end, and returns its exit code.
func (d *divvy) ended(limit time.Duration) int {
	d.w.t.Helper()
	select {
	case err := <-d.exit:
		d.exit <- err
		var status *exec.ExitError
		if errors.As(err, &status) {
			return status.ExitCode()
		}
		return 0
	case <-time.After(limit):
		d.w.t.Fatalf("divvy has not ended within %s", limit)
		return -1
	}
}

// stop ends the process as a service is ended: it delivers what it has.
func (d *divvy) stop() {
	d.w.t.Helper()
	d.signal(syscall.SIGTERM)
	if code := d.ended(30 * time.Second); code != 0 {
		d.w.t.Errorf("divvy ended with code %d", code)
	}
}

// kill ends the process without a warning and returns when.
func (d *divvy) kill() time.Time {
	d.w.t.Helper()
	at := time.Now()
	d.signal(syscall.SIGKILL)
	d.ended(5 * time.Second)
	return at
}

// direct asks no proxy.
var direct = &http.Transport{DisableKeepAlives: true}

// get asks the process and returns the status, or 0 if there is no answer.
func (d *divvy) get(path string) (status int, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.addr+path, nil)
	if err != nil {
		d.w.t.Fatal(err)
	}
	req.Close = true
	resp, err := direct.RoundTrip(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// run makes a world with a divvy in it that has delivered something.
func run(t *testing.T, cfg testbed.FleetConfig) (*world, *divvy) {
	t.Helper()
	w := newWorld(t, cfg)
	d := w.newDivvy()
	d.start()
	w.arrived(1)
	return w, d
}
