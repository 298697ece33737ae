// Command ckit is a node of the cluster library that Grafana Alloy uses, with
// Alloy's settings, for tests of clusters in which divvy takes part. It joins,
// becomes a participant and tells over HTTP what it sees:
//
//	GET  /peers    one "name state" a line, by name, viewers left out
//	POST /owners   body: keys in hex, one a line; answer: their owners' names
//	POST /leave    leaves gracefully and ends
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/ckit"
	"github.com/grafana/ckit/peer"
	"github.com/grafana/ckit/shard"
	"golang.org/x/net/http2"
)

// tokensPerNode is Alloy's setting.
const tokensPerNode = 512

func main() {
	name := flag.String("name", "", "name of the node")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen at, and to advertise")
	join := flag.String("join", "", "addresses of peers, separated by commas")
	label := flag.String("label", "", "name of the cluster")
	flag.Parse()
	if err := run(*name, *listen, *join, *label); err != nil {
		log.Fatal(err)
	}
}

// run serves until it is asked to leave.
func run(name, listen, join, label string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	sharder := shard.Ring(tokensPerNode)
	node, err := ckit.NewNode(client(), ckit.Config{Name: name, AdvertiseAddr: l.Addr().String(), Sharder: sharder, Label: label})
	if err != nil {
		return err
	}
	left := make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle(node.Handler())
	mux.HandleFunc("GET /peers", func(w http.ResponseWriter, _ *http.Request) {
		for _, p := range sharder.Peers() {
			fmt.Fprintln(w, p.Name, p.State)
		}
	})
	mux.HandleFunc("POST /owners", func(w http.ResponseWriter, r *http.Request) { owners(w, r, sharder) })
	mux.HandleFunc("POST /leave", func(http.ResponseWriter, *http.Request) { close(left) })
	srv := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	go srv.Serve(l)

	var peers []string
	if join != "" {
		peers = strings.Split(join, ",")
	}
	if err := node.Start(peers); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := node.ChangeState(ctx, peer.StateParticipant); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, l.Addr())
	<-left
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := node.ChangeState(ctx, peer.StateTerminating); err != nil {
		return err
	}
	return node.Stop()
}

// client returns an HTTP/2 client without TLS, as Alloy has it.
func client() *http.Client {
	return &http.Client{Transport: &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, network, addr)
		},
	}}
}

// owners answers with the owner of each key of the body.
func owners(w http.ResponseWriter, r *http.Request, s shard.Sharder) {
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		key, err := strconv.ParseUint(lines.Text(), 16, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		peers, err := s.Lookup(shard.Key(key), 1, shard.OpReadWrite)
		if err != nil {
			fmt.Fprintln(w, "-")
			continue
		}
		fmt.Fprintln(w, peers[0].Name)
	}
}
