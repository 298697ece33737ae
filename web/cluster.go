package web

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/member"
)

// clusterRoutes are what the paths of peers begin with: those of the gossip, and
// those among nodes that are divvy.
var clusterRoutes = [...]string{"/api/v1/ckit/transport/", "/api/v1/divvy/"}

// entrance sends peers to the cluster and everybody else to the routes, past
// the authentication of the http block. Peers have no password: they show a
// certificate or know a secret, where the cluster asks for one.
func (s *Server) entrance() http.Handler {
	users := s.cfg.Listener.authenticate(s.routes())
	if s.cfg.Node == nil {
		return users
	}
	peers := s.cfg.Node.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range clusterRoutes {
			if strings.HasPrefix(r.URL.Path, prefix) {
				peers.ServeHTTP(w, r)
				return
			}
		}
		users.ServeHTTP(w, r)
	})
}

// AdmitPeers makes the listener ask clients for certificates, and take those
// that authorities (PEM; nil asks for none) have signed, whatever the http block
// says of clients. Whether a peer must show one is for the cluster to say. It is
// called before Apply.
func (l *Listener) AdmitPeers(authorities []byte) { l.peers = authorities }

// admitPeers adds what AdmitPeers promises to what the http block says. Users
// are held to the block alone: see knows.
func (a *access) admitPeers(authorities []byte) error {
	if a.tls == nil {
		return errors.New("--cluster.enable-tls needs a tls block here: peers connect over TLS")
	}
	known := a.tls.ClientCAs
	switch a.tls.ClientAuth {
	case tls.NoClientCert:
		a.tls.ClientAuth = tls.RequestClientCert
	case tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert:
		if known == nil { // what TLS takes nil for
			var err error
			if known, err = x509.SystemCertPool(); err != nil {
				return fmt.Errorf("read the system's authorities: %w", err)
			}
		}
		a.users = known
	}
	if known == nil {
		known = x509.NewCertPool()
	}
	// The names of the authorities are sent along, also where nothing is verified
	// yet, so that browsers do not offer certificates that are for others.
	a.tls.ClientCAs = known.Clone()
	if !a.tls.ClientCAs.AppendCertsFromPEM(authorities) {
		return errors.New("--cluster.tls-ca-path holds no certificate")
	}
	return nil
}

// knows reports whether the certificate that came with r, if there is one, is
// good for users: TLS has let in those of peers as well.
func (a *access) knows(r *http.Request) bool {
	if a.users == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return true
	}
	between := x509.NewCertPool()
	for _, cert := range r.TLS.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: a.users, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// A peer is a node of the cluster as the API shows it, and what else the status
// page knows.
type peer struct {
	Name   string `json:"name"`
	Addr   string `json:"addr"`
	IsSelf bool   `json:"isSelf"`
	State  string `json:"state"` // viewer, participant or terminating

	Since   time.Time `json:"-"` // of State; zero: not known
	Version string    `json:"-"`
	Zone    string    `json:"-"`
}

// peers returns the nodes by name. Without clustering that is this one.
func peers(cfg Config) []peer {
	if cfg.Node == nil {
		return []peer{{Name: cfg.Self, Addr: cfg.Listener.Addr(), IsSelf: true, State: "participant"}}
	}
	list := []peer{}
	for _, p := range cfg.Node.Peers() {
		if !p.Entry.Until.IsZero() {
			p.State = "terminating" // it still serves, but people want to know that it goes
		}
		list = append(list, peer{
			Name: p.Name, Addr: p.Addr, IsSelf: p.Self, State: p.State,
			Since: since(p), Version: p.Entry.Version, Zone: p.Entry.Zone,
		})
	}
	return list
}

// since returns when a node entered its state, or the zero time: of nodes of
// other software, and of those that leave, that is not known.
func since(p member.Peer) time.Time {
	switch p.State {
	case "participant":
		return p.Entry.From
	case "viewer":
		if p.Entry.Instance != 0 {
			return p.Entry.Instance.Started()
		}
	}
	return time.Time{}
}

// notices returns what is wrong with this node's part in the cluster.
func notices(cfg Config) []string {
	if cfg.Node == nil {
		return nil
	}
	err := cfg.Node.Health()
	if err == nil {
		return nil
	}
	reasons := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		reasons = joined.Unwrap()
	}
	list := make([]string, len(reasons))
	for i, reason := range reasons {
		list[i] = reason.Error()
	}
	return list
}

// peersJSON returns the nodes as the API shows them.
func peersJSON(cfg Config) ([]byte, error) { return json.Marshal(peers(cfg)) }

// listPeers answers with the nodes of the cluster.
func (s *Server) listPeers(w http.ResponseWriter, _ *http.Request) { writeJSON(w, peers(s.cfg)) }
