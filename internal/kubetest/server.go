package kubetest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	adminToken = "administrator"
	readyIn    = 90 * time.Second // on a machine that has much else to do
)

// A Server is an API server and its store. Its methods fail the test rather than
// return an error. They may be called from several goroutines, except Stop and
// Restart.
type Server struct {
	t    testing.TB
	dir  string // keys, certificates, data, logs
	bin  string
	port string // of the API server; the same after Restart

	etcd, api *process
	etcdURL   string
	client    *kubernetes.Clientset
	dynamic   *dynamic.DynamicClient
}

// Start runs a server until the test ends. It skips the test with -short, and
// where the server cannot be built.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a Kubernetes API server")
	}
	s := &Server{t: t, bin: programs(t), dir: t.TempDir()}
	s.writeKeys()
	s.startStore()
	t.Cleanup(func() { s.etcd.kill() })
	s.port = freePort(t)
	s.launch()
	t.Cleanup(s.Stop)
	s.ready()
	s.connect()
	return s
}

// With returns s for a subtest, to fail with that one. It is stopped and
// restarted by the test that started it.
func (s *Server) With(t testing.TB) *Server {
	sub := *s
	sub.t = t
	return &sub
}

// path returns the path of a file of s.
func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// writeKeys makes what accounts' tokens are signed with, and the administrator's
// token.
func (s *Server) writeKeys() {
	s.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	s.write("accounts.key", block)
	s.write("tokens.csv", []byte(adminToken+`,administrator,1,"system:masters"`+"\n"))
}

func (s *Server) write(name string, text []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// startStore runs etcd, which keeps nothing that a crash of the machine would
// leave whole.
func (s *Server) startStore() {
	s.t.Helper()
	s.etcdURL = "http://127.0.0.1:" + freePort(s.t)
	peers := "http://127.0.0.1:" + freePort(s.t)
	s.etcd = launch(s.t, s.path("etcd.log"), filepath.Join(s.bin, "etcd"),
		"--data-dir="+s.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+s.etcdURL, "--advertise-client-urls="+s.etcdURL,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)
}

// launch runs the API server. The address that it advertises leads nowhere, so
// that it looks for none.
func (s *Server) launch() {
	s.t.Helper()
	s.api = launch(s.t, s.path("apiserver.log"), filepath.Join(s.bin, "apiserver"),
		"--etcd-servers="+s.etcdURL, "--bind-address=127.0.0.1", "--secure-port="+s.port, "--cert-dir="+s.dir,
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+s.path("accounts.key"), "--service-account-signing-key-file="+s.path("accounts.key"),
		"--token-auth-file="+s.path("tokens.csv"), "--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.96.0.0/16", "--profiling=false")
}

// freePort returns a port of loopback that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// ready waits until the API server answers that it is.
func (s *Server) ready() {
	s.t.Helper()
	s.Until(readyIn, "the API server is ready", func() bool {
		if s.api.ended() || s.etcd.ended() {
			s.t.Fatalf("the API server has ended:\n%s\n%s", s.log("etcd.log"), s.log("apiserver.log"))
		}
		rc, err := rest.HTTPClientFor(s.Config())
		if err != nil {
			return false // its certificate is yet to be made
		}
		defer rc.CloseIdleConnections()
		resp, err := rc.Get(s.URL() + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// log returns the end of a log.
func (s *Server) log(name string) string {
	text, _ := os.ReadFile(s.path(name))
	return string(text[max(0, len(text)-4000):])
}

// connect makes the administrator's clients.
func (s *Server) connect() {
	s.t.Helper()
	var err error
	if s.client, err = kubernetes.NewForConfig(s.Config()); err != nil {
		s.t.Fatal(err)
	}
	if s.dynamic, err = dynamic.NewForConfig(s.Config()); err != nil {
		s.t.Fatal(err)
	}
	hc, err := rest.HTTPClientFor(s.Config())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(hc.CloseIdleConnections) // clients of one configuration share them
}

// URL returns where the API server answers.
func (s *Server) URL() string { return "https://127.0.0.1:" + s.port }

// Client returns a client that may do everything, without a limit of its own.
func (s *Server) Client() kubernetes.Interface { return s.client }

// Asked returns how many lists and streams of changes of some resources the API
// server was asked for since it was started, by anybody.
func (s *Server) Asked(resources ...string) (n int) {
	s.t.Helper()
	text, err := s.client.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, verb, _ := strings.Cut(line, `verb="`)
		_, resource, _ := strings.Cut(line, `resource="`)
		asks := strings.HasPrefix(verb, "LIST") || strings.HasPrefix(verb, "WATCH")
		name, _, _ := strings.Cut(resource, `"`)
		if strings.HasPrefix(line, "apiserver_request_total{") && asks && slices.Contains(resources, name) {
			value, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			n += int(value)
		}
	}
	return n
}

// Stop ends the API server as a crash does: connections break, then are refused.
// What it has stored stays.
func (s *Server) Stop() { s.api.kill() }

// Restart starts the API server again where it was, with what it had stored, and
// waits until it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	s.launch()
	s.ready()
}

// Until waits for ok to become true, and fails the test after limit.
func (s *Server) Until(limit time.Duration, what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			s.t.Fatal(fmt.Errorf("wait until %s: %w", what, ctx.Err()))
		case <-look.C:
		}
	}
}
