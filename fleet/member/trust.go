package member

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
)

// What the secret is used for. The gossip is encrypted and authenticated by
// memberlist with the first key. Letters and lifelines carry a seal made with
// the second one:
//
//	Divvy-Seal: nonce "." HMAC-SHA256(key, "request", cluster, path, nonce, body)
//	Divvy-Seal: HMAC-SHA256(key, "reply", cluster, path, nonce, body)
//
// A reply is bound to its request by the nonce. The pulses of a lifeline are
// not sealed one by one. A request that somebody recorded can be sent again,
// for as long as the secret lasts; it changes nothing, since entries that are
// out of date are ignored and questions have no effect.
const (
	gossipKey = "divvy cluster gossip 1"
	routesKey = "divvy cluster routes 1"

	sealHeader    = "Divvy-Seal"
	clusterHeader = "Divvy-Cluster"
)

// derive returns the key for a purpose, or nil without a secret.
func derive(secret []byte, purpose string) []byte {
	if len(secret) == 0 {
		return nil
	}
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
	if err != nil {
		panic("BUG: derive key: " + err.Error())
	}
	return key
}

// A seal proves knowledge of the secret. Without a key it proves nothing and
// accepts everything that is not sealed.
type seal struct{ key []byte }

// mac authenticates what the parts say, in this order.
func (s seal) mac(parts ...string) string {
	h := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// put seals a request and returns its nonce.
func (s seal) put(r *http.Request, cluster string, body []byte) (nonce string) {
	r.Header.Set(clusterHeader, cluster)
	if s.key == nil {
		return ""
	}
	nonce = rand.Text()
	r.Header.Set(sealHeader, nonce+"."+s.mac("request", cluster, r.URL.Path, nonce, string(body)))
	return nonce
}

// check returns the nonce of a request that is sealed as it should be. Without
// a key it must not be sealed: who seals would not believe the answer.
func (s seal) check(r *http.Request, cluster string, body []byte) (nonce string, err error) {
	switch sealed := r.Header.Get(sealHeader) != ""; {
	case s.key == nil && sealed:
		return "", errors.New("request is sealed with a secret, and this node has none: see --cluster.secret-file")
	case s.key == nil:
		return "", nil
	case !sealed:
		return "", errors.New("request is not sealed, and this cluster has a secret: see --cluster.secret-file")
	}
	nonce, mac, _ := strings.Cut(r.Header.Get(sealHeader), ".")
	if !hmac.Equal([]byte(mac), []byte(s.mac("request", cluster, r.URL.Path, nonce, string(body)))) {
		return "", errors.New("request is sealed with another secret than this cluster's")
	}
	return nonce, nil
}

// putReply seals a reply to the request with that nonce.
func (s seal) putReply(w http.ResponseWriter, r *http.Request, cluster, nonce string, body []byte) {
	if s.key != nil {
		w.Header().Set(sealHeader, s.mac("reply", cluster, r.URL.Path, nonce, string(body)))
	}
}

// checkReply fails unless a reply is sealed as it should be.
func (s seal) checkReply(resp *http.Response, cluster, nonce string, body []byte) error {
	if s.key == nil {
		return nil
	}
	want := s.mac("reply", cluster, resp.Request.URL.Path, nonce, string(body))
	if !hmac.Equal([]byte(resp.Header.Get(sealHeader)), []byte(want)) {
		return errors.New("reply is not sealed with this cluster's secret")
	}
	return nil
}

// presenting returns c such that it presents its certificate even to a
// listener whose own authorities are others.
func presenting(c *tls.Config) *tls.Config {
	c = c.Clone()
	if c.GetClientCertificate == nil && len(c.Certificates) > 0 {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.Certificates[0], nil }
	}
	return c
}

// certified fails unless the peer of a request has a certificate that one of
// the authorities signed. Without authorities everybody passes.
func certified(r *http.Request, authorities *x509.CertPool) error {
	if authorities == nil {
		return nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return errors.New("cluster routes demand a client certificate")
	}
	between := x509.NewCertPool()
	for _, c := range r.TLS.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// guarded lets only peers through to a route. It answers everybody else why.
func (n *Node) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := certified(r, n.cfg.PeerCAs); err != nil {
			n.refuse(w, r, http.StatusForbidden, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers a request that is not a peer's.
func (n *Node) refuse(w http.ResponseWriter, r *http.Request, status int, why error) {
	n.meters.refused.WithLabelValues(http.StatusText(status)).Inc()
	n.log.Debug("request to a cluster route refused", "from", r.RemoteAddr, "path", r.URL.Path, "err", why)
	http.Error(w, why.Error(), status)
}

// firstLine cuts what a stranger sent to what a log can take.
func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return string(line[:min(len(line), 200)])
}
