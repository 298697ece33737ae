package member

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// sealed returns a request as a node with that secret makes it.
func sealed(s seal, cluster, path string, body []byte) (*http.Request, string) {
	r := httptest.NewRequest(http.MethodPost, "http://peer"+path, bytes.NewReader(body))
	nonce := s.put(r, cluster, body)
	return r, nonce
}

func sealOf(secret string) seal { return seal{derive([]byte(secret), routesKey)} }

func TestOnlyWhoKnowsTheSecretIsAdmitted(t *testing.T) {
	ours, theirs, none := sealOf("0123456789abcdef"), sealOf("0123456789abcdeF"), seal{}
	body := []byte("letter")
	f := func(what string, by seal, change func(*http.Request), want bool) {
		t.Helper()
		r, _ := sealed(by, "c", letterPath, body)
		change(r)
		if _, err := ours.check(r, "c", body); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	same := func(*http.Request) {}
	f("the same secret", ours, same, true)
	f("another secret", theirs, same, false)
	f("no secret", none, same, false)
	f("another route", ours, func(r *http.Request) { r.URL.Path = lifelinePath }, false)
	f("no nonce", ours, func(r *http.Request) {
		_, mac, _ := strings.Cut(r.Header.Get(sealHeader), ".")
		r.Header.Set(sealHeader, mac)
	}, false)

	r, _ := sealed(ours, "c", letterPath, body)
	if _, err := ours.check(r, "d", body); err == nil {
		t.Error("a seal of another cluster is accepted")
	}
	if _, err := ours.check(r, "c", []byte("letters")); err == nil {
		t.Error("a seal of another body is accepted")
	}
	r, _ = sealed(theirs, "c", letterPath, body)
	if _, err := none.check(r, "c", body); err == nil {
		t.Error("who has no secret takes one for granted")
	}
	r, _ = sealed(none, "c", letterPath, body)
	if _, err := none.check(r, "c", body); err != nil {
		t.Errorf("who has no secret asks for one: %v", err)
	}
}

// A reply is bound to its request, and is no request.
func TestRepliesAnswerTheirRequest(t *testing.T) {
	s := sealOf("0123456789abcdef")
	body := []byte("reply")
	r, nonce := sealed(s, "c", letterPath, nil)
	w := httptest.NewRecorder()
	s.putReply(w, r, "c", nonce, body)
	resp := w.Result()
	resp.Request = &http.Request{URL: &url.URL{Path: letterPath}}
	if err := s.checkReply(resp, "c", nonce, body); err != nil {
		t.Error(err)
	}
	if s.checkReply(resp, "c", nonce+"x", body) == nil || s.checkReply(resp, "c", nonce, nil) == nil || s.checkReply(resp, "d", nonce, body) == nil {
		t.Error("a reply to something else is accepted")
	}
	back := httptest.NewRequest(http.MethodPost, "http://peer"+letterPath, nil)
	back.Header.Set(sealHeader, nonce+"."+resp.Header.Get(sealHeader))
	if _, err := s.check(back, "c", body); err == nil {
		t.Error("a reply passes as a request")
	}
}

// issue returns a certificate that parent signed, or that signed itself.
func issue(t *testing.T, until time.Time, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until, IsCA: parent == nil, BasicConstraintsValid: true}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func TestPeersNeedACertificateOfTheAuthority(t *testing.T) {
	soon, past := time.Now().Add(time.Minute), time.Now().Add(-time.Minute)
	ca, key := issue(t, soon, nil, nil)
	good, _ := issue(t, soon, ca, key)
	expired, _ := issue(t, past, ca, key)
	foreign, _ := issue(t, soon, nil, nil)
	authorities := x509.NewCertPool()
	authorities.AddCert(ca)
	f := func(what, want string, chain ...*x509.Certificate) {
		t.Helper()
		err := certified(&http.Request{TLS: &tls.ConnectionState{PeerCertificates: chain}}, authorities)
		if text := fmt.Sprint(err); !strings.Contains(text, want) {
			t.Errorf("%s: %s; want %q", what, text, want)
		}
	}
	f("a good one", "<nil>", good)
	f("none", "demand a client certificate")
	f("an expired one", "expired", expired)
	f("a foreign one", "unknown authority", foreign)
	if certified(&http.Request{}, authorities) == nil || certified(&http.Request{}, nil) != nil {
		t.Error("plain HTTP passes, or does not where no certificate is demanded")
	}
}

// The two keys, and those of two secrets, differ.
func TestEveryPurposeHasItsKey(t *testing.T) {
	a, b := derive([]byte("0123456789abcdef"), routesKey), derive([]byte("0123456789abcdef"), gossipKey)
	if bytes.Equal(a, b) || len(a) != 32 || len(b) != 32 || derive(nil, routesKey) != nil {
		t.Errorf("%x, %x", a, b)
	}
}

// No header that was not made for the request passes, whatever it looks like.
func FuzzSeal(f *testing.F) {
	s := sealOf("0123456789abcdef")
	good := "nonce." + s.mac("request", "c", letterPath, "nonce", "x")
	f.Add(good, []byte("x"))
	f.Add(good+"=", []byte("x"))
	f.Add("."+good, []byte("x"))
	f.Add("", []byte{})
	f.Add("..", []byte("x"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "http://peer"+letterPath, nil)
		r.Header.Set(sealHeader, header)
		_, err := s.check(r, "c", body)
		if passes := err == nil; passes != (header == good && string(body) == "x") {
			t.Errorf("%q with %q: %v", header, body, err)
		}
	})
}
