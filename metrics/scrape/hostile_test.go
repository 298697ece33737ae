package scrape

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/divvy-collector/divvy/metrics/scrape/walk"
)

// bombed is size zero bytes, compressed.
func bombed(size int64) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = io.CopyN(z, zeros{}, size)
	_ = z.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// Whatever a target answers, it is down with a reason, and another one that is
// scraped beside it does not notice.
func TestHostileTargetIsDownWithAReason(t *testing.T) {
	f := func(name, reason string, h http.HandlerFunc) {
		t.Run(name, func(t *testing.T) {
			cfg := plain()
			cfg.Limits = walk.Limits{BodyBytes: 1 << 20, Samples: 1000}
			run(t, cfg, func(r *rig) {
				r.text("good:80", "x 1\n")
				r.serve("a:80", h)
				r.pool.SetTargets(targets("a:80", "good:80"))
				time.Sleep(30 * time.Second)
				synctest.Wait()
				for _, s := range r.pool.Targets() {
					switch {
					case s.URL == "http://good:80/metrics" && s.Health != "up":
						t.Errorf("the other target is %s: %s", s.Health, s.Err)
					case s.URL == "http://a:80/metrics" && (s.Health != "down" || !strings.Contains(s.Err, reason)):
						t.Errorf("target is %s: %q; want a reason with %q", s.Health, s.Err, reason)
					}
				}
				ups := map[string]int{}
				for _, b := range r.sink.take() {
					ups[b.report("up")]++
				}
				if ups["1"] != 3 || ups["0"] < 2 {
					t.Errorf("up: %v; want 3 times 1 and at least 2 times 0", ups)
				}
			})
		})
	}
	plainText := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain") }
	f("endless body", "body size limit", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		for {
			if _, err := w.Write(bytes.Repeat([]byte("x 1\n"), 10_000)); err != nil {
				return
			}
		}
	})
	f("slow drip", "deadline exceeded", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		for {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		}
	})
	f("silence", "deadline exceeded", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	bomb := bombed(8 << 20)
	f("gzip bomb", "body size limit", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	})
	f("broken gzip", "inflate body", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("no gzip at all"))
	})
	f("cut gzip", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb[:len(bomb)/2][:100])
	})
	f("zstd that nobody asked for", "zstd, which it was not asked for", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		w.Header().Set("Content-Encoding", "zstd")
		_, _ = w.Write([]byte("\x28\xb5\x2f\xfd"))
	})
	f("invalid UTF-8", "not valid UTF-8", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		_, _ = w.Write([]byte("x{a=\"\xff\xfe\"} 1\n"))
	})
	f("too many samples", "sample limit", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		for i := range 5000 {
			fmt.Fprintf(w, "x{i=\"%d\"} 1\n", i)
		}
	})
	f("NUL bytes", "read exposition", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		_, _ = w.Write([]byte("x\x00y 1\n"))
	})
	f("cut connection", "EOF", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w)
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("x 1\n"))
		panic(http.ErrAbortHandler)
	})
}

// However many large bodies come at one time, few are kept in memory, and the
// others wait for their turn.
func TestLargeBodiesTakeTurns(t *testing.T) {
	run(t, plain(), func(r *rig) {
		body := append(bytes.Repeat([]byte("# a comment of forty-odd bytes, many times\n"), 110_000), "x 1\n"...)
		var addrs []string
		for i := range 4 {
			addrs = append(addrs, fmt.Sprintf("large%d:80", i))
			r.serve(addrs[i], func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				_, _ = w.Write(body)
			})
		}
		r.pool.SetTargets(targets(addrs...))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for _, s := range r.pool.Targets() {
			if s.Health != "up" {
				t.Errorf("%s is %s: %s", s.URL, s.Health, s.Err)
			}
		}
		if n := len(r.pool.set.depot.Large); n != 0 {
			t.Errorf("%d places are not given back", n)
		}
	})
}

func TestNaNsAreNoMarkers(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x NaN\ny nan\nz -NaN\n")
		got := r.next()
		if len(got) == 1 && strings.HasPrefix(got[0], "{\"x\"} NaN\n{\"y\"} NaN") {
			t.Error("-NaN is a number")
		}
		r.text("a:80", "x NaN\ny nan\n")
		expect(t, r.next(), "{\"x\"} NaN\n{\"y\"} NaN")
	})
}

func TestFailuresAreLogged(t *testing.T) {
	cfg := plain()
	cfg.FailureLog = filepath.Join(t.TempDir(), "failures.json")
	run(t, cfg, func(r *rig) {
		r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		r.next()
		r.next()
	})
	log, err := os.ReadFile(cfg.FailureLog)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), `"target":"http://a:80/metrics"`); n != 2 || !strings.Contains(string(log), "502") {
		t.Errorf("log has %d failures:\n%s", n, log)
	}
}
