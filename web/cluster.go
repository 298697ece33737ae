package web

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
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
	Clock   string    `json:"-"` // its clock less ours; "" if that is not known
}

// peers returns the nodes by name. Without clustering that is this one.
func peers(cfg Config) []peer {
	if cfg.Node == nil {
		return []peer{{Name: cfg.Self, Addr: cfg.Listener.Addr(), IsSelf: true, State: "participant"}}
	}
	now, list := time.Now(), []peer{}
	for i, e := range cfg.Node.Entries() {
		if state, since := stateOf(e, now); state != "" {
			list = append(list, peer{
				Name: e.Name, Addr: e.Addr, IsSelf: i == 0, State: state, Since: since, Version: e.Version, Zone: e.Zone,
			})
		}
	}
	slices.SortFunc(list, func(a, b peer) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// stateOf returns the state of a node, and since when; "" for one that is gone.
func stateOf(e roster.Entry, now time.Time) (state string, since time.Time) {
	switch {
	case e.Down || !e.Until.IsZero() && !now.Before(e.Until):
		return "", time.Time{}
	case !e.Until.IsZero():
		return "terminating", time.Time{}
	case e.From.IsZero() || now.Before(e.From):
		return "viewer", e.Instance.Started()
	}
	return "participant", e.From
}

// notice returns what is wrong with the cluster as a whole, in a sentence for
// people; "" if nothing is.
func notice(cfg Config, now time.Time) string {
	if cfg.Node == nil {
		return ""
	}
	switch cfg.Node.Stage() {
	case roster.Displaced:
		return "Another node has the name of this one, which serves nothing meanwhile: give each its own with --cluster.node-name."
	case roster.Fenced:
		return "This node has withdrawn, because it was stopped for a while or its clock is off. It joins again by itself."
	}
	view := cfg.View.Load()
	if since, below := view.Below(now); below && !view.Admits(now) {
		text := "There are fewer nodes than --cluster.wait-for-size asks for, so no shared target is scraped"
		if !since.IsZero() {
			text += " since " + since.UTC().Format(time.DateTime)
		}
		return text + "."
	}
	return ""
}

// peersJSON returns the nodes as the API shows them.
func peersJSON(cfg Config) ([]byte, error) { return json.Marshal(peers(cfg)) }

// listPeers answers with the nodes of the cluster.
func (s *Server) listPeers(w http.ResponseWriter, _ *http.Request) { writeJSON(w, peers(s.cfg)) }
