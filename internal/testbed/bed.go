package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Config says what a Bed is made of.
type Config struct {
	Fleet    FleetConfig
	Receiver ReceiverConfig
	Addr     string // host:port to listen on; empty: a free port of 127.0.0.1
}

// A Bed is a fleet and a receiver that are being served:
//
//	/t/<n>/metrics, /sd    the fleet
//	/api/v1/write          the receiver
//	/report                both reports as JSON; ?settle=5s leaves recent scrapes out
//	/mode?target=&kind=&delay=&until=   POST: Fleet.SetMode; without target, of all
//	/fault                 POST: Receiver.SetFault with a Fault as JSON
type Bed struct {
	Fleet    *Fleet
	Receiver *Receiver

	server *Server
}

// Status is what /report answers.
type Status struct {
	Series   int     `json:"series"`   // of the fleet
	Answered int64   `json:"answered"` // scrapes, by the fleet
	Receiver Report  `json:"receiver"`
	Verdict  Verdict `json:"verdict"`
}

// Open serves a new fleet and a new receiver. Close ends it.
func Open(cfg Config) (*Bed, error) {
	b := &Bed{Fleet: NewFleet(cfg.Fleet), Receiver: NewReceiver(cfg.Receiver)}
	server, err := Serve(cfg.Addr, cfg.Fleet.Hosts, b)
	if err != nil {
		return nil, err
	}
	b.server = server
	return b, nil
}

// Addr returns host:port of the bed.
func (b *Bed) Addr() string { return b.server.Addr() }

// WriteURL returns where the receiver takes remote write.
func (b *Bed) WriteURL() string { return "http://" + b.Addr() + "/api/v1/write" }

// DiscoveryURL returns where the fleet lists its targets.
func (b *Bed) DiscoveryURL() string { return "http://" + b.Addr() + "/sd" }

// Groups returns the targets as discovery sees them.
func (b *Bed) Groups() []Group { return b.Fleet.Groups(b.Addr()) }

// Status returns both reports. Scrapes younger than settle are left out of the
// verdict.
func (b *Bed) Status(settle time.Duration) Status {
	return Status{
		Series:   b.Fleet.Series(),
		Answered: b.Fleet.Answered(),
		Receiver: b.Receiver.Report(),
		Verdict:  Check(b.Fleet, b.Receiver, time.Now().Add(-settle)),
	}
}

// Close closes every connection and waits for the servers to end.
func (b *Bed) Close() error { return b.server.Close() }

// ServeHTTP routes a request to the fleet, the receiver or the controls.
func (b *Bed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.URL.Path {
	case "/api/v1/write":
		b.Receiver.ServeHTTP(w, r)
	case "/report":
		err = b.report(w, r)
	case "/mode":
		err = b.setMode(r)
	case "/fault":
		var f Fault
		if err = json.NewDecoder(r.Body).Decode(&f); err == nil {
			b.Receiver.SetFault(f)
		}
	default:
		b.Fleet.ServeHTTP(w, r)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (b *Bed) report(w http.ResponseWriter, r *http.Request) error {
	settle := 5 * time.Second
	if text := r.FormValue("settle"); text != "" {
		var err error
		if settle, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("read settle: %w", err)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(b.Status(settle))
}

func (b *Bed) setMode(r *http.Request) error {
	m := Mode{Kind: Kind(r.FormValue("kind"))}
	for name, d := range map[string]*time.Duration{"delay": &m.Delay, "until": &m.Until} {
		text := r.FormValue(name)
		if text == "" {
			continue
		}
		var err error
		if *d, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	if text := r.FormValue("target"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= len(b.Fleet.targets) {
			return fmt.Errorf("read target: there is no target %q", text)
		}
		b.Fleet.SetMode(n, m)
		return nil
	}
	for n := range b.Fleet.targets {
		b.Fleet.SetMode(n, m)
	}
	return nil
}

// A Server serves one http.Handler on loopback until it is closed.
type Server struct {
	http *http.Server
	addr string
	done sync.WaitGroup
}

// manyHosts is from how many addresses on one listener serves them all: a
// descriptor each would be too many.
const manyHosts = 1000

// Serve listens on addr (empty: a free port of 127.0.0.1), and on the same
// port of the first hosts addresses that a fleet spreads over. Closing a
// Server and serving the same address again is an outage.
func Serve(addr string, hosts int, h http.Handler) (*Server, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if hosts >= manyHosts {
		l, err := listenLoopback("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("serve the testbed: %w", err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return newServer(h, net.JoinHostPort("127.0.0.1", port), l), nil
	}
	first, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve the testbed: %w", err)
	}
	listeners := []net.Listener{first}
	_, port, _ := net.SplitHostPort(first.Addr().String())
	for i := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host(i), port))
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, fmt.Errorf("serve the testbed: %w", err)
		}
		listeners = append(listeners, l)
	}
	return newServer(h, first.Addr().String(), listeners...), nil
}

// newServer serves h on the listeners.
func newServer(h http.Handler, addr string, listeners ...net.Listener) *Server {
	s := &Server{http: &http.Server{Handler: h}, addr: addr}
	for _, l := range listeners {
		s.done.Go(func() { s.http.Serve(l) })
	}
	return s
}

// Addr returns host:port of the server.
func (s *Server) Addr() string { return s.addr }

// Close stops listening, gives requests that are being answered a second to
// finish, closes every connection and waits. Without that second, requests
// would be taken whose senders never learn of it.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.http.Shutdown(ctx)
	err := s.http.Close()
	s.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
