package ui

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/divvy-collector/divvy/telemetry/status"
)

// A frame is what the layout puts around a page.
type frame struct {
	Self, Version, Section string
	Entries                []entry
	Problems               []string // all that is wrong, the worst first
	Model                  any
}

// An entry is a link of the navigation.
type entry struct{ Section, Path, Name string }

// entries lists the navigation.
func entries() []entry {
	return []entry{
		{"components", "/", "Components"},
		{"graph", "/graph", "Graph"},
		{"clustering", "/clustering", "Clustering"},
		{"targets", "/targets", "Targets"},
		{"remote-write", "/remote-write", "Remote write"},
	}
}

// policy is what browsers may load for our pages: what this server serves, and
// nothing that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// A refusal is an error that people are shown as a page.
type refusal struct {
	Status int
	Text   string // a sentence
}

// Error returns the sentence.
func (r *refusal) Error() string { return r.Text }

// refuse returns a *refusal with an HTTP status and a sentence.
func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// serve answers with v, rendered by page. An answer that the browser has already
// is not sent again.
func (u *UI) serve(v view, page *template.Template) http.Handler {
	sorry := parsePage(u.functions(), "refusal")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := frame{
			Self: u.cfg.Self, Version: u.cfg.Version, Section: v.section,
			Entries: entries(), Problems: u.problems(r.Context()),
		}
		code, t := http.StatusOK, page
		var err error
		f.Model, err = v.model(r)
		if attachment, ok := f.Model.(file); ok && err == nil {
			attachment.send(w)
			return
		}
		if err != nil {
			said := &refusal{http.StatusInternalServerError, err.Error()}
			errors.As(err, &said)
			code, t, f.Model = said.Status, sorry, said
		}
		var out bytes.Buffer
		if err := t.Execute(&out, f); err != nil {
			u.cfg.Log.Error("page not rendered", "page", v.file, "err", err)
			http.Error(w, "render page: "+err.Error(), http.StatusInternalServerError)
			return
		}
		u.send(w, r, code, hidePasswords(out.String()))
	})
}

// hidePasswords returns a page without passwords that have come this far. It
// looks at each tag, and the text behind it, by itself: what is taken out
// reaches no further.
func hidePasswords(page string) []byte {
	parts := strings.Split(page, "<")
	for i, part := range parts {
		parts[i] = status.HidePasswords(part)
	}
	return []byte(strings.Join(parts, "<"))
}

// send answers with a page, or with 304 if the browser has just that.
func (u *UI) send(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	sum := fnv.New64a()
	_, _ = sum.Write(text) // a hash takes everything
	tag := `"` + strconv.FormatUint(sum.Sum64(), 36) + `"`
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tag)
	if status == http.StatusOK && r.Header.Get("If-None-Match") == tag {
		status, text = http.StatusNotModified, nil
	}
	w.WriteHeader(status)
	// A browser that has left does not hear of it.
	_, _ = w.Write(text)
}

// remoteConfig says that there is no such page here, to those who know it from
// Alloy.
func (u *UI) remoteConfig(*http.Request) (any, error) {
	return nil, refuse(http.StatusNotFound, "divvy takes its configuration from files: there is no remote configuration.")
}
