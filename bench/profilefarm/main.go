// Command profilefarm is many targets of profiles, for measuring what taking
// them costs, and a server that profiles are pushed to and that forgets them:
//
//	profilefarm targets port
//
// The targets are 127.2.0.1:port, 127.2.0.2:port, …, and have profiles of the
// size that services have: 1,000 stacks of memory that count on, 60 of mutexes,
// 200 of goroutines, 300 of the CPU. The server is 127.2.255.1:port; GET /taken
// tells how many profiles came, and how many bytes.
package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/pprof/profile"
)

// turns is how many profiles of memory there are, one after the other.
const turns = 40

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: profilefarm targets port")
	}
	targets, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read number of targets: %w", err)
	}
	failed := make(chan error)
	serve := func(addr string, h http.Handler) {
		go func() { failed <- http.ListenAndServe(addr+":"+args[1], h) }()
	}
	f := newFarm()
	for i := range targets {
		serve(fmt.Sprintf("127.2.%d.%d", i/250, i%250+1), f)
	}
	serve("127.2.255.1", &server{})
	fmt.Printf("memory %d, mutex %d, goroutine %d, process_cpu %d bytes\n",
		len(f.memory[0]), len(f.mutex[0]), len(f.goroutine), len(f.cpu))
	return <-failed
}

// A farm answers for all targets alike.
type farm struct {
	begun           time.Time
	memory, mutex   [][]byte // by turn
	goroutine, cpu  []byte
	memory0, mutex0 *service
}

func newFarm() *farm {
	f := &farm{begun: time.Now(), memory0: newService(1000, "alloc_objects", "alloc_space", "inuse_objects", "inuse_space")}
	f.mutex0 = newService(60, "contentions", "delay")
	for range turns {
		f.memory, f.mutex = append(f.memory, f.memory0.run()), append(f.mutex, f.mutex0.run())
	}
	f.goroutine = newService(200, "goroutine").run()
	f.cpu = newService(300, "samples", "cpu").run()
	return f
}

func (f *farm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	turn := min(int(time.Since(f.begun)/(15*time.Second)), turns-1)
	switch r.URL.Path {
	case "/debug/pprof/allocs":
		_, _ = w.Write(f.memory[turn])
	case "/debug/pprof/mutex":
		_, _ = w.Write(f.mutex[turn])
	case "/debug/pprof/goroutine":
		_, _ = w.Write(f.goroutine)
	case "/debug/pprof/profile":
		seconds, _ := strconv.Atoi(r.FormValue("seconds"))
		select {
		case <-time.After(time.Duration(seconds) * time.Second):
			_, _ = w.Write(f.cpu)
		case <-r.Context().Done():
		}
	default:
		http.NotFound(w, r)
	}
}

// A service is a program whose profile goes on.
type service struct {
	r *rand.Rand
	p *profile.Profile
}

// newService has a number of stacks of some 15 frames, with names as long as
// they are.
func newService(stacks int, types ...string) *service {
	s := &service{r: rand.New(rand.NewPCG(1, 2)), p: &profile.Profile{}}
	for _, t := range types {
		s.p.SampleType = append(s.p.SampleType, &profile.ValueType{Type: t, Unit: "count"})
	}
	m := &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x4000000, File: "/usr/bin/service", HasFunctions: true}
	s.p.Mapping = []*profile.Mapping{m}
	for i := range uint64(stacks*3/2 + 20) {
		f := &profile.Function{
			ID: i + 1, Name: fmt.Sprintf("github.com/somebody/service/internal/part%d.(*Thing).Method%d", i%37, i),
			Filename: fmt.Sprintf("/go/src/github.com/somebody/service/internal/part%d/file%d.go", i%37, i%200),
		}
		s.p.Function = append(s.p.Function, f)
		s.p.Location = append(s.p.Location, &profile.Location{
			ID: i + 1, Mapping: m, Address: 0x400000 + i*0x1234, Line: []profile.Line{{Function: f, Line: int64(i % 900)}},
		})
	}
	for range stacks {
		x := &profile.Sample{Value: make([]int64, len(types)), NumLabel: map[string][]int64{"bytes": {int64(16 << s.r.IntN(10))}}}
		for range 8 + s.r.IntN(15) {
			x.Location = append(x.Location, s.p.Location[s.r.IntN(len(s.p.Location))])
		}
		s.p.Sample = append(s.p.Sample, x)
	}
	return s
}

// run lets a third of the stacks do something and returns the profile.
func (s *service) run() []byte {
	s.p.TimeNanos = time.Now().UnixNano()
	for _, x := range s.p.Sample {
		if s.r.IntN(3) > 0 && x.Value[0] > 0 {
			continue
		}
		for i := range x.Value {
			x.Value[i] += int64(1 + s.r.IntN(10_000))
		}
	}
	var b bytes.Buffer
	if err := s.p.Write(&b); err != nil {
		panic("BUG: write a profile: " + err.Error())
	}
	return b.Bytes()
}

// A server takes everything that is pushed.
type server struct{ count, bytes atomic.Int64 }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/taken" {
		fmt.Fprintln(w, s.count.Load(), s.bytes.Load())
		return
	}
	n, _ := io.Copy(io.Discard, r.Body)
	s.bytes.Add(n)
	s.count.Add(1)
	w.Header().Set("Content-Type", "application/proto")
}
