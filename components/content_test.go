package components

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/grafana/alloy/syntax/alloytypes"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// holds reports whether the content is this.
func holds(text string, secret bool) func(contentExport) bool {
	return func(x contentExport) bool {
		return x.Content == alloytypes.OptionalSecret{IsSecret: secret, Value: text}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLocalFileFollowsItsFile(t *testing.T) {
	f := func(detector string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "secret")
		write(t, path, "one")
		body := fmt.Sprintf("filename = %q\ndetector = %q\npoll_frequency = \"20ms\"\n", path, detector)
		r := start(t, newLocalFile, body, nil)
		await(r, holds("one", false))
		awaitHealth(r, component.Healthy, "read file")
		if r.gauge("local_file_timestamp_last_accessed_unix_seconds") <= 0 {
			t.Error("the file seems never to have been read")
		}
		write(t, path, "two")
		await(r, holds("two", false))
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		awaitHealth(r, component.Unhealthy, "no such file")
		write(t, path, "three")
		x := await(r, func(contentExport) bool { return true })
		if x.Content.Value != "three" { // the last content stood meanwhile
			t.Errorf("exported %q", x.Content.Value)
		}
		if err := r.update(body + "is_secret = true"); err != nil {
			t.Fatal(err)
		}
		await(r, holds("three", true))
	}
	f("fsnotify")
	f("poll")
}

func TestLocalFileMustBeThereAtFirst(t *testing.T) {
	e, _, _ := env(t)
	a := localFileArguments{Filename: filepath.Join(t.TempDir(), "none"), Detector: "poll", PollFrequency: 1}
	if _, err := newLocalFile(e, a); err == nil {
		t.Error("a file that does not exist is accepted")
	}
}

// A change to a file that cannot be read is refused, and changes nothing.
func TestLocalFileKeepsItsFileWhenTheNewOneIsBad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "good")
	write(t, path, "one")
	r := start(t, newLocalFile, fmt.Sprintf("filename = %q\npoll_frequency = \"20ms\"", path), nil)
	await(r, holds("one", false))
	if err := r.update(fmt.Sprintf("filename = %q", path+".none")); err == nil {
		t.Fatal("a file that does not exist is accepted")
	}
	write(t, path, "two")
	await(r, holds("two", false))
}

// A page is a server with one answer that a test can change.
type page struct {
	*httptest.Server
	status atomic.Int64
	body   atomic.Value
	asked  atomic.Value // method, header and body of the last request
}

func newPage(t *testing.T, body string) *page {
	p := &page{}
	p.status.Store(http.StatusOK)
	p.body.Store(body)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, _ := io.ReadAll(req.Body)
		p.asked.Store(fmt.Sprintf("%s %s %s %s", req.Method, req.Header.Get("X-Test"), req.Header.Get("Authorization"), text))
		w.WriteHeader(int(p.status.Load()))
		fmt.Fprint(w, p.body.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

func TestRemoteHTTPFollowsItsURL(t *testing.T) {
	p := newPage(t, "one")
	body := fmt.Sprintf("url = %q\npoll_frequency = \"20ms\"\npoll_timeout = \"19ms\"\n", p.URL)
	r := start(t, newRemoteHTTP, body, nil)
	await(r, holds("one", false))
	p.body.Store("two")
	await(r, holds("two", false))
	awaitHealth(r, component.Healthy, "polled")
	p.status.Store(http.StatusNotFound)
	awaitHealth(r, component.Unhealthy, "server answered 404")
	p.status.Store(http.StatusOK)
	awaitHealth(r, component.Healthy, "polled")
	select {
	case x := <-r.exports:
		t.Errorf("the same content is exported again: %v", x)
	default:
	}
	if err := r.update(body + "is_secret = true"); err != nil {
		t.Fatal(err)
	}
	await(r, holds("two", true))
}

func TestRemoteHTTPSendsWhatItIsTold(t *testing.T) {
	p := newPage(t, "x")
	r := start(t, newRemoteHTTP, fmt.Sprintf(`
		url     = %q
		method  = "POST"
		headers = {"X-Test" = "h"}
		body    = "question"
		client {
			bearer_token = secret
		}`, p.URL), map[string]any{"secret": secretText})
	await(r, holds("x", false))
	if got := p.asked.Load(); got != "POST h Bearer hush question" {
		t.Errorf("asked %s", got)
	}
}

// Until there is an answer nothing is exported: what refers to it waits.
func TestRemoteHTTPExportsNothingBeforeAnAnswer(t *testing.T) {
	p := newPage(t, "late")
	p.status.Store(http.StatusInternalServerError)
	r := start(t, newRemoteHTTP, fmt.Sprintf("url = %q\npoll_frequency = \"20ms\"\npoll_timeout = \"19ms\"", p.URL), nil)
	awaitHealth(r, component.Unhealthy, "server answered 500")
	if len(r.exports) != 0 {
		t.Errorf("exported %v", <-r.exports)
	}
	p.status.Store(http.StatusOK)
	await(r, holds("late", false))
}
