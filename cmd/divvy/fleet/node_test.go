package fleet

import (
	"bytes"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// said runs divvy fleet coverage with args and fails the test unless it ends with
// code and says want.
func said(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	got := execute(t, &out, "", append([]string{"fleet", "coverage"}, args...))
	if got != code || !strings.Contains(out.String(), want) {
		t.Errorf("%v ends with %d; want %d and %q:\n%s", args, got, code, want, out.String())
	}
}

// answering is a node with nothing to share out.
var answering = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/v0/fleet/status" && r.Header.Get("Authorization") == "Bearer token" {
		w.Write([]byte(`{"nodes":[{"name":"a"}]}`))
		return
	}
	http.Error(w, "no", http.StatusForbidden)
})

func TestCertificateIsVerifiedAndATokenShown(t *testing.T) {
	node := httptest.NewUnstartedServer(answering)
	node.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // handshakes are to fail
	node.StartTLS()
	defer node.Close()
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := file("ca", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: node.Certificate().Raw}))
	token := file("token", []byte("token\n"))
	addr := "--addr=" + node.URL
	said(t, 2, "name the authority that signed its certificate with --tls-ca", addr)
	said(t, 2, "say what name to expect with --tls-server-name", addr, "--tls-ca", ca, "--tls-server-name", "elsewhere")
	said(t, 2, "403 Forbidden: no; give --username and --password-file, or --bearer-token-file", addr, "--tls-ca", ca)
	said(t, 0, "all is well: 1 node", addr, "--tls-ca", ca, "--bearer-token-file", token)
	said(t, 0, "all is well: 1 node", addr, "--tls-insecure-skip-verify", "--bearer-token-file", token)
}

func TestNodeThatHangsIsNotWaitedFor(t *testing.T) {
	done := make(chan struct{})
	node := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer node.Close()
	defer close(done)
	said(t, 2, "no answer came within --timeout 50ms", "--addr", node.URL, "--timeout", "50ms")
}

func TestAnswerOfSomethingElseIsRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(text)) }))
		defer page.Close()
		said(t, 2, want, "--addr", page.URL)
	}
	f("<html>", "the answer is not what a divvy node says")
	f("", "the answer is not what a divvy node says")
	f(`{"nodes":7}`, "the answer is not what a divvy node says")
}

// A password in an address is used, and never shown.
func TestPasswordIsNotShown(t *testing.T) {
	var out bytes.Buffer
	execute(t, &out, "http://me:hunter2@127.0.0.1:1/ui", []string{"fleet", "status"})
	execute(t, &out, "http://me:hunter2@127.0.0.1:1/ui", []string{"fleet", "status", "--help"})
	execute(t, &out, "", []string{"fleet", "status", "--addr", "ftp://me:hunter2@127.0.0.1:1"})
	if text := out.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "me:xxxxx@") {
		t.Errorf("got %s", text)
	}
}
