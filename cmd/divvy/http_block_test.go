package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	var der []byte
	der, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	a.cert, _ = x509.ParseCertificate(der)
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// sign returns a certificate like template and its key.
func (a *authority) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// issue writes a certificate for name and its key into dir.
func (a *authority) issue(dir, name string) (certFile, keyFile string) {
	a.t.Helper()
	der, key := a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// client returns a client that trusts a and presents certs.
func (a *authority) client(certs ...tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: certs},
		ForceAttemptHTTP2: true,
	}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// A reload turns TLS on for new connections without closing the listener, and
// off again; what cannot be used fails the reload and changes nothing.
func TestTLSIsReloaded(t *testing.T) {
	c := startCollector(t, "")
	a := newAuthority(t)
	cert, key := a.issue(c.dir, "server")
	secure := a.client()
	c.write(fmt.Sprintf("http {\n  tls {\n    cert_file = %q\n    key_file = %q\n  }\n}\n", cert, key))
	if status, body := c.get("/-/reload"); status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	c.client.CloseIdleConnections()

	url := "https://" + c.Addr()
	res, err := secure.Get(url + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Errorf("status %d over HTTP/%d", res.StatusCode, res.ProtoMajor)
	}
	if res, err := c.client.Get("http://" + c.Addr() + "/-/ready"); err == nil {
		if res.Body.Close(); res.StatusCode == 200 {
			t.Error("plain HTTP is answered still")
		}
	}

	renewed, renewedKey := a.issue(c.dir, "renewed")
	for from, to := range map[string]string{renewed: cert, renewedKey: key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := get(t, secure, url+"/-/reload"); status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
	secure.CloseIdleConnections()
	if res, err = secure.Get(url + "/-/ready"); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if name := res.TLS.PeerCertificates[0].Subject.CommonName; name != "renewed" {
		t.Errorf("certificate of %s", name)
	}

	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, secure, url+"/-/reload"); status != 400 || !strings.Contains(body, "load TLS certificate") {
		t.Errorf("status %d: %s", status, body)
	}
	if status, _ := get(t, secure, url+"/-/ready"); status != 200 {
		t.Errorf("the certificate before is not served any more: %d", status)
	}

	c.write("")
	if status, body := get(t, secure, url+"/-/reload"); status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
	if status, _ := c.get("/-/ready"); status != 200 {
		t.Errorf("plain HTTP is not back: %d", status)
	}
}

// Who has no certificate of the authority is not let in.
func TestClientCertificatesAreRequired(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := a.issue(dir, "server")
	c := startCollector(t, fmt.Sprintf(`http {
	tls {
		cert_file        = %q
		key_file         = %q
		client_ca_pem    = %q
		client_auth_type = "RequireAndVerifyClientCert"
		min_version      = "TLS13"
	}
}
`, cert, key, a.pem))
	if res, err := a.client().Get("https://" + c.Addr() + "/-/ready"); err == nil {
		res.Body.Close()
		t.Error("let in without a certificate")
	}
	pair, err := tls.LoadX509KeyPair(a.issue(dir, "client"))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, a.client(pair), "https://"+c.Addr()+"/-/ready"); status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
}

// Plain HTTP/2 is spoken to who knows beforehand.
func TestUnencryptedHTTP2(t *testing.T) {
	c := startCollector(t, "")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://" + c.Addr() + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Errorf("status %d over HTTP/%d", res.StatusCode, res.ProtoMajor)
	}
}

// The filter says which paths ask for the password; a reload changes it.
func TestBasicAuthAndFilter(t *testing.T) {
	c := startCollector(t, "")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ask := func(path, user, password string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, "http://"+c.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	f := func(path, user, password string, want int) {
		t.Helper()
		if got := ask(path, user, password); got != want {
			t.Errorf("%s as %s:%s: %d, want %d", path, user, password, got, want)
		}
	}
	load := func(filter string) {
		t.Helper()
		c.write("http {\n auth {\n  basic {\n   username = \"a\"\n   password = \"b\"\n  }\n" + filter + " }\n}\n")
		if got := ask("/-/reload", "a", "b"); got != 200 {
			t.Fatalf("reload: %d\n%s", got, c.log)
		}
	}
	load("")
	f("/-/ready", "", "", 401)
	f("/-/ready", "a", "c", 401)
	f("/-/ready", "c", "b", 401)
	f("/-/ready", "a", "b", 200)
	load("  filter {\n   paths = [\"/metrics\", \"/debug\"]\n  }\n")
	f("/-/ready", "", "", 200)
	f("/metrics", "", "", 401)
	f("//metrics", "", "", 401)
	f("/x/../metrics", "", "", 401)
	f("/debug/pprof/", "", "", 401)
	f("/metrics", "a", "b", 200)
	load("  filter {\n   paths = [\"/-/\"]\n   authenticate_matching_paths = false\n  }\n")
	f("/-/ready", "", "", 200)
	f("/-/../metrics", "", "", 401)
	f("/metrics", "", "", 401)
}
