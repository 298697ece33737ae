// Command profiled is a process for tests of profiles. It allocates memory and
// burns time at a steady pace, answers as net/http/pprof does, and remembers
// what it has told:
//
//	profiled host:port
//
//	GET /debug/pprof/allocs, /debug/pprof/profile?seconds=N
//	GET /told    what each profile of memory said, and the time on the CPU, in JSON
//
// Each allocation is in the profile, not one of many, so that sums are exact.
package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	httppprof "net/http/pprof"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
)

// A Told is what one profile of memory said.
type Told struct {
	TimeNanos int64 // of the profile
	Bytes     int64 // that allocate has allocated so far
}

// State is the answer of /told.
type State struct {
	Memory   []Told
	CPUNanos int64 // that the process has used so far
}

func main() {
	runtime.MemProfileRate = 1
	p := &process{}
	go p.work()
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/allocs", p.allocs)
	mux.HandleFunc("/debug/pprof/profile", httppprof.Profile)
	mux.HandleFunc("/told", p.tell)
	panic(http.ListenAndServe(os.Args[1], mux))
}

type process struct {
	mu   sync.Mutex
	told []Told
	kept []byte
}

// work does a little of everything until the process ends. The collector runs
// often, for a profile is as old as its last cycle.
func (p *process) work() {
	for turn := 0; ; turn++ {
		for range 4 {
			p.kept = allocate(1 << 10 * (1 + turn%7))
		}
		burn(time.Millisecond)
		if turn%10 == 0 {
			runtime.GC()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

//go:noinline
func allocate(n int) []byte { return make([]byte, n) }

//go:noinline
func burn(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// allocs answers with the profile of memory and remembers what it says.
func (p *process) allocs(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b bytes.Buffer
	if err := pprof.Lookup("allocs").WriteTo(&b, 0); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	parsed, err := profile.ParseData(b.Bytes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.told = append(p.told, Told{TimeNanos: parsed.TimeNanos, Bytes: allocated(parsed)})
	_, _ = w.Write(b.Bytes())
}

// allocated sums up what allocate has allocated.
func allocated(p *profile.Profile) (sum int64) {
	for _, s := range p.Sample {
		if f := s.Location[0].Line[0].Function; f.Name == "main.allocate" {
			sum += s.Value[1] // alloc_objects, alloc_space, …
		}
	}
	return sum
}

// tell answers with what was told.
func (p *process) tell(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(State{Memory: p.told, CPUNanos: use.Utime.Nano() + use.Stime.Nano()})
}
