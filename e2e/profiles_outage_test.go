package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/profileserver"
	"github.com/divvy-collector/divvy/internal/testbed"
)

// While the server is away, profiles that others push do not make the process
// grow; kill -9 loses none of those that were taken; and each arrives once.
func TestPushedProfilesSurviveOutageAndKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testbed.FleetConfig{Targets: 1})
	d := w.newDivvy()
	d.configure(fmt.Sprintf(`
pyroscope.receive_http "in" {
  http {
    listen_address = %[1]q
    listen_port    = 4041
  }
  forward_to = [pyroscope.write.out.receiver]
}

pyroscope.write "out" {
  endpoint {
    url                = "http://%[1]s:4040"
    max_backoff_period = "1s"
  }
}
`, w.host))
	d.start()
	idle := d.resident(t) >> 20
	const profiles, size = 400, 256 << 10
	raw := make([]byte, size)
	rnd := rand.NewChaCha8([32]byte{})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := range profiles {
		_, _ = rnd.Read(raw)
		url := fmt.Sprintf("http://%s:4041/ingest?name=app%d&number=%d", w.host, n%10, n)
		resp, err := client.Post(url, "application/octet-stream", bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("profile %d: status %d", n, resp.StatusCode)
		}
	}
	grown := d.resident(t) >> 20
	d.kill()
	t.Logf("%d MiB while idle, %d MiB with %d MiB waiting", idle, grown, profiles*size>>20)
	if grown > idle+120 {
		t.Errorf("the process grew from %d to %d MiB", idle, grown)
	}
	server := profileserver.New()
	bed, err := testbed.Serve(w.host+":4040", 0, server)
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	d.start()
	w.until(30*time.Second, "every profile arrives", func() bool { return len(server.Pushes()) >= profiles })
	d.stop()
	seen := map[string]int{}
	for _, p := range server.Pushes() {
		seen[p.URL]++
	}
	if len(seen) != profiles || len(server.Pushes()) != profiles {
		t.Errorf("%d requests with %d profiles arrived; want %d", len(server.Pushes()), len(seen), profiles)
	}
}
