// Package refs keeps the secrets and config maps that objects refer to, and
// those only.
//
// Each is asked for by name, so that an account needs no more than "get" on the
// ones that it may see: to list or watch secrets is to read all of a namespace.
// They are asked for again every half minute, less often where there are so
// many that the API server would notice.
//
// A Book answers from memory. What it does not know yet is Pending; when an
// answer comes that differs, Changed is told. An answer that fails for another
// reason than that there is none (no connection, too many requests) leaves the
// last one in place.
//
// Invariant: a content is never logged, and no error has a part of it.
package refs

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/divvy-collector/divvy/kube/operator/translate"
)

// ErrPending says that an answer is on its way.
var ErrPending = errors.New("it was not read yet")

const (
	// every is the least time between two questions for the same thing.
	every = 30 * time.Second

	// pace is the least time between two questions again, for anything.
	pace = 200 * time.Millisecond

	// retry is how soon a question is asked again that nobody answered.
	retry = 5 * time.Second

	// workers is how many questions wait for their answers at a time.
	workers = 4

	// patience is how long an answer may take.
	patience = 15 * time.Second
)

// An Ask asks the API server for a secret or config map. Its errors name what was
// asked for.
type Ask func(ctx context.Context, r translate.Ref) (translate.Content, error)

// A Book holds the answers. Any number of goroutines may use it at the same
// time.
type Book struct {
	question Ask
	changed  func()
	wake     chan struct{}

	mu    sync.Mutex // guards the fields below
	pages map[translate.Ref]*page
	news  map[translate.Ref]bool // that have changed since Changed was asked
}

// A page is what is known of one secret or config map.
type page struct {
	content translate.Content
	err     error     // why there is no content
	known   bool      // content or err is an answer
	due     time.Time // when it is asked for again
	asking  bool
}

// New returns an empty Book, which calls changed when Changed has something to
// tell.
func New(question Ask, changed func()) *Book {
	return &Book{
		question: question, changed: changed, wake: make(chan struct{}, 1),
		pages: map[translate.Ref]*page{}, news: map[translate.Ref]bool{},
	}
}

// Lookup returns the content of r, or why there is none; ErrPending before the
// first answer. It does not block.
func (b *Book) Lookup(r translate.Ref) (translate.Content, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[r]
	if p == nil {
		b.pages[r] = &page{}
		b.rouse()
		return translate.Content{}, ErrPending
	}
	if !p.known {
		return translate.Content{}, errors.Join(ErrPending, p.err)
	}
	return p.content, p.err
}

// Changed returns what has changed since it was called last.
func (b *Book) Changed() []translate.Ref {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Collect(maps.Keys(b.news))
	clear(b.news)
	return out
}

// Keep forgets everything that is not in use.
func (b *Book) Keep(used func(translate.Ref) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.pages, func(r translate.Ref, _ *page) bool { return !used(r) })
	maps.DeleteFunc(b.news, func(r translate.Ref, _ bool) bool { return !used(r) })
}

// rouse makes Run look for what is due.
func (b *Book) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run asks until ctx is done.
func (b *Book) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	places := make(chan struct{}, workers)
	for ctx.Err() == nil {
		r, wait := b.next(time.Now())
		if wait > 0 {
			select {
			case <-ctx.Done():
			case <-b.wake:
			case <-time.After(wait):
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case places <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-places; b.rouse() }()
			b.ask(ctx, r)
		})
	}
}

// next returns what is to be asked for now, or how long there is nothing.
func (b *Book) next(now time.Time) (translate.Ref, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := every
	for r, p := range b.pages {
		switch left := p.due.Sub(now); {
		case p.asking:
		case left <= 0:
			p.asking = true
			return r, 0
		default:
			wait = min(wait, left)
		}
	}
	return translate.Ref{}, wait
}

// ask asks for r and notes the answer.
func (b *Book) ask(ctx context.Context, r translate.Ref) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	content, err := b.question(ctx, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[r]
	if p == nil {
		return // nobody wants it any more
	}
	final := err == nil || apierrors.IsNotFound(err) || apierrors.IsForbidden(err)
	p.asking, p.due = false, time.Now().Add(b.pauseLocked(final))
	if p.known && !final {
		return
	}
	if p.known == final && sameError(p.err, err) && reflect.DeepEqual(p.content, content) {
		return
	}
	p.content, p.err, p.known = content, err, final
	b.news[r] = true
	b.changed()
}

// pauseLocked returns how long an answer holds; mu is held.
func (b *Book) pauseLocked(final bool) time.Duration {
	if !final {
		return retry
	}
	return max(every, time.Duration(len(b.pages))*pace)
}

// sameError reports whether two errors say the same.
func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Error() == b.Error()
}
