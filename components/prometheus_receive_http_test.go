package components

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/receive"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// oneSample is a request with one sample.
func oneSample(name string) []byte {
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: name}},
		Samples: []prompb.Sample{{Value: 1, Timestamp: 5}},
	}}}
	raw, err := req.Marshal()
	if err != nil {
		panic(fmt.Sprintf("BUG: marshal: %v", err))
	}
	return snappy.Encode(nil, raw)
}

// push sends one sample and returns the status.
func push(t *testing.T, client *http.Client, base, name string) int {
	t.Helper()
	resp, err := client.Post(base+receive.Path, "application/x-protobuf", bytes.NewReader(oneSample(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// client returns an HTTP client without idle connections, for one test.
func client(t *testing.T, transport *http.Transport) *http.Client {
	transport.DisableKeepAlives = true
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func TestReceiveHTTPTakesWhatIsPushed(t *testing.T) {
	sink := sinktest.NewRecorder()
	port := freePort(t)
	body := func(port int) string {
		return fmt.Sprintf("forward_to = [out]\nhttp {\n listen_address = \"127.0.0.1\"\n listen_port = %d\n}\n", port)
	}
	r := start(t, newReceiveHTTP, body(port), map[string]any{"out": args.Receiver{Sink: sink}})
	awaitHealth(r, component.Healthy, fmt.Sprintf("listening on 127.0.0.1:%d", port))
	c := client(t, &http.Transport{})
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	if status := push(t, c, base, "first"); status != http.StatusNoContent {
		t.Fatalf("status %d", status)
	}
	if n := len(sink.Points()); n != 1 {
		t.Errorf("%d samples arrived", n)
	}
	resp, err := c.Get(base + "/other")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path gives %s", resp.Status)
	}
	checkServerMetrics(t, r)

	other := freePort(t)
	if err := r.update(body(other)); err != nil {
		t.Fatal(err)
	}
	awaitHealth(r, component.Healthy, fmt.Sprintf("listening on 127.0.0.1:%d", other))
	if status := push(t, c, fmt.Sprintf("http://127.0.0.1:%d", other), "second"); status != http.StatusNoContent {
		t.Errorf("status %d after an update", status)
	}
	if _, err := c.Get(base); err == nil {
		t.Error("the old port still answers")
	}
}

// checkServerMetrics looks for the metrics that dashboards know.
func checkServerMetrics(t *testing.T, r *rig[receiveArguments]) {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range families {
		have[f.GetName()] = true
	}
	for _, name := range []string{
		"prometheus_fanout_latency",
		"prometheus_forwarded_samples_total",
		"prometheus_receive_http_request_duration_seconds",
		"prometheus_receive_http_request_message_bytes",
		"prometheus_receive_http_response_message_bytes",
		"prometheus_receive_http_tcp_connections",
	} {
		if !have[name] {
			t.Errorf("no metric %s", name)
		}
	}
}

// A port that is taken makes the component unhealthy until it is free.
func TestReceiveHTTPWaitsForItsPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf("forward_to = [sink]\nhttp {\n listen_address = \"127.0.0.1\"\n listen_port = %d\n}\n", l.Addr().(*net.TCPAddr).Port)
	r := start(t, newReceiveHTTP, body, nil)
	awaitHealth(r, component.Unhealthy, "address already in use")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	awaitHealth(r, component.Healthy, "listening on")
}

// A slowSink commits when it is let.
type slowSink struct {
	telemetry.Sink
	flushing, let chan struct{}
}

func (s slowSink) Flush(ctx context.Context) error {
	close(s.flushing)
	select {
	case <-s.let:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A request under way when the component stops is committed and answered.
func TestReceiveHTTPFinishesWhatIsUnderWay(t *testing.T) {
	sink := slowSink{Sink: sinktest.NewRecorder(), flushing: make(chan struct{}), let: make(chan struct{})}
	e, _, _ := env(t)
	var a receiveArguments
	port := freePort(t)
	body := fmt.Sprintf("forward_to = [out]\ngrpc { }\nhttp {\n listen_address = \"127.0.0.1\"\n listen_port = %d\n conn_limit = 5\n}\n", port)
	if err := evaluate(t, body, &a, map[string]any{"out": args.Receiver{Sink: sink}}); err != nil {
		t.Fatal(err)
	}
	instance, err := newReceiveHTTP(e, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { _ = instance.Run(ctx); close(stopped) }()
	awaitHealth(&rig[receiveArguments]{t: t, instance: instance}, component.Healthy, "listening")
	c := client(t, &http.Transport{})
	status := make(chan int, 1)
	go func() { status <- push(t, c, fmt.Sprintf("http://127.0.0.1:%d", port), "m") }()
	<-sink.flushing
	cancel()
	close(sink.let)
	if got := <-status; got != http.StatusNoContent {
		t.Errorf("status %d", got)
	}
	<-stopped
	if held := sink.Sink.(*sinktest.Recorder).Held(); len(held) != 0 {
		t.Errorf("still held: %v", held)
	}
}

// certificate writes a new certificate for 127.0.0.1 and its key to dir.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, cert, string(text))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return cert, key, pool
}

func TestReceiveHTTPSpeaksTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	port := freePort(t)
	body := func(more string) string {
		return fmt.Sprintf(`
			forward_to = [sink]
			http {
				listen_address = "127.0.0.1"
				listen_port    = %d
				tls {
					cert_file        = %q
					key_file         = %q
					client_auth_type = "RequireAndVerifyClientCert"
					client_ca_file   = %q
					min_version      = "VersionTLS13"
					%s
				}
			}`, port, cert, key, cert, more)
	}
	r := start(t, newReceiveHTTP, body(""), nil)
	awaitHealth(r, component.Healthy, "listening")
	base := fmt.Sprintf("https://127.0.0.1:%d", port)

	stranger := client(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}})
	if _, err := stranger.Get(base); err == nil {
		t.Error("a client without a certificate is served")
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	friend := func(pool *x509.CertPool, pair tls.Certificate) *http.Client {
		return client(t, &http.Transport{
			ForceAttemptHTTP2: true,
			TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}},
		})
	}
	if status := push(t, friend(pool, pair), base, "m"); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}

	_, _, pool = certificate(t, dir) // the files are replaced
	if pair, err = tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	if status := push(t, friend(pool, pair), base, "m"); status != http.StatusNoContent {
		t.Errorf("status %d with the new certificate", status)
	}

	write(t, key, "no key")
	if err := r.update(body(`cipher_suites = "TLS_AES_128_GCM_SHA256"`)); err == nil {
		t.Error("a key that is none is accepted")
	}
	var alert net.Error
	if _, err := friend(pool, pair).Get(base); err == nil || errors.As(err, &alert) && alert.Timeout() {
		t.Errorf("with a broken key: %v", err)
	}
}

// Clients may begin with HTTP/2 without encryption, if that is configured.
func TestReceiveHTTPSpeaksPlainHTTP2(t *testing.T) {
	f := func(enabled bool) error {
		t.Helper()
		port := freePort(t)
		r := start(t, newReceiveHTTP, fmt.Sprintf("forward_to = [sink]\nhttp {\n listen_address = \"127.0.0.1\"\n listen_port = %d\n http2 {\n enabled = %v\n}\n}", port, enabled), nil)
		awaitHealth(r, component.Healthy, "listening")
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		t.Cleanup(transport.CloseIdleConnections)
		resp, err := (&http.Client{Transport: transport, Timeout: patience}).Post(
			fmt.Sprintf("http://127.0.0.1:%d%s", port, receive.Path), "application/x-protobuf", bytes.NewReader(oneSample("m")))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%s %s", resp.Proto, resp.Status)
		}
		return nil
	}
	if err := f(true); err != nil {
		t.Error(err)
	}
	if err := f(false); err == nil {
		t.Error("answered although it is not configured")
	}
}
