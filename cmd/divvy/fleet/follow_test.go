package fleet

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A pad is written by a command and watched by a test.
type pad struct {
	mu   sync.Mutex
	text strings.Builder
	seen func(text string)
}

func (p *pad) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
	p.seen(p.text.String())
	return len(b), nil
}

// What happens is listed once, whoever else tells it, and a node that is silent
// for a while is asked again.
func TestFollowListsEachEventOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	event := func(node, seen string) string {
		return fmt.Sprintf(`{"at":"2026-01-01T11:59:00Z","seen":%q,"node":%q,"kind":"joined","text":"%s serves","moved":1}`, seen, node, node)
	}
	answers := []string{
		"[" + event("a", "a") + "]",
		"[" + event("a", "b") + "," + event("b", "b") + "]",
		"",
		"[" + event("a", "a") + "," + event("b", "b") + "," + event("c", "a") + "]",
	}
	asked := 0
	stub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		text := answers[min(asked, len(answers)-1)]
		asked++
		if text == "" {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, text)
	}))
	defer stub.Close()
	out := &pad{seen: func(text string) {
		if strings.Contains(text, "c serves") {
			cancel()
		}
	}}
	errs := &pad{seen: func(string) {}}
	s := &session{
		Config: Config{Out: out, Err: errs, Getenv: func(string) string { return "" }},
		node:   &node{Addr: stub.URL, Timeout: 10 * time.Second},
	}
	e := &events{session: s, follow: true, every: time.Millisecond}
	if err := e.run(ctx); err != nil {
		t.Fatal(err)
	}
	want := `TIME      AGO     NODE  EVENT   MOVED
11:59:00  1m ago  a     joined      1  a serves
11:59:00  b             joined          1  b serves
11:59:00  c             joined          1  c serves
`
	if got := out.text.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := errs.text.String(); strings.Count(got, "503 Service Unavailable: starting") != 1 {
		t.Errorf("said of the silence: %s", got)
	}
}
