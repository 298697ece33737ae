package refs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/divvy-collector/divvy/internal/kubefake"
	"github.com/divvy-collector/divvy/kube/operator/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server answers questions with what it is told to.
type server struct {
	mu     sync.Mutex
	answer string
	err    error
	asked  int
}

func (s *server) ask(context.Context, translate.Ref) (translate.Content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return translate.Content{}, s.err
	}
	return translate.Content{Text: map[string]string{"k": s.answer}}, nil
}

func (s *server) set(answer string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.err = answer, err
}

var ref = translate.Ref{Namespace: "shop", Name: "c"}

// run tests a Book, in time that jumps.
func run(t *testing.T, f func(t *testing.T, s *server, b *Book)) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: "one"}
		b := New(s.ask, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		f(t, s, b)
		cancel()
		<-done
	})
}

// expect checks what a Book knows of ref, and whether it says that it is news.
func expect(t *testing.T, b *Book, want string, news bool) {
	t.Helper()
	synctest.Wait()
	c, err := b.Lookup(ref)
	got := c.Text["k"]
	if err != nil {
		got = err.Error()
	}
	if changed := len(b.Changed()) > 0; got != want || changed != news {
		t.Errorf("%q, news: %v; want %q, %v", got, changed, want, news)
	}
}

func TestAnswerIsPendingThenKnown(t *testing.T) {
	run(t, func(t *testing.T, s *server, b *Book) {
		if _, err := b.Lookup(ref); !errors.Is(err, ErrPending) {
			t.Errorf("the first answer is %v", err)
		}
		expect(t, b, "one", true)
		expect(t, b, "one", false)
	})
}

func TestChangeIsSeen(t *testing.T) {
	run(t, func(t *testing.T, s *server, b *Book) {
		_, _ = b.Lookup(ref)
		expect(t, b, "one", true)
		s.set("two", nil)
		time.Sleep(every)
		expect(t, b, "two", true)
		time.Sleep(every)
		expect(t, b, "two", false)
	})
}

func TestServerThatIsSilentChangesNothing(t *testing.T) {
	run(t, func(t *testing.T, s *server, b *Book) {
		_, _ = b.Lookup(ref)
		expect(t, b, "one", true)
		s.set("", errors.New("no route"))
		time.Sleep(10 * every)
		expect(t, b, "one", false)
		s.set("two", nil)
		time.Sleep(retry)
		expect(t, b, "two", true)
	})
}

func TestFirstAnswerIsWaitedFor(t *testing.T) {
	run(t, func(t *testing.T, s *server, b *Book) {
		s.set("", errors.New("no route"))
		_, _ = b.Lookup(ref)
		synctest.Wait()
		if _, err := b.Lookup(ref); !errors.Is(err, ErrPending) {
			t.Errorf("got %v", err)
		}
		b.Changed()
		s.set("one", nil)
		time.Sleep(retry)
		expect(t, b, "one", true)
	})
}

func TestRefusalsAreAnswers(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	for _, err := range []error{apierrors.NewNotFound(resource, "c"), apierrors.NewForbidden(resource, "c", nil)} {
		run(t, func(t *testing.T, s *server, b *Book) {
			_, _ = b.Lookup(ref)
			expect(t, b, "one", true)
			s.set("", err)
			time.Sleep(every)
			expect(t, b, err.Error(), true)
			s.set("two", nil)
			time.Sleep(every)
			expect(t, b, "two", true)
		})
	}
}

func TestWhatNobodyWantsIsForgotten(t *testing.T) {
	run(t, func(t *testing.T, s *server, b *Book) {
		_, _ = b.Lookup(ref)
		expect(t, b, "one", true)
		b.Keep(func(translate.Ref) bool { return false })
		time.Sleep(10 * every)
		if s.asked != 1 {
			t.Errorf("asked %d times", s.asked)
		}
	})
}

// However many there are, the API server is asked five times a second at most,
// after the first answers.
func TestManyAreAskedForSlowly(t *testing.T) {
	run(t, func(t *testing.T, s *server, b *Book) {
		const n = 1000
		for i := range n {
			_, _ = b.Lookup(translate.Ref{Name: fmt.Sprint(i)})
		}
		synctest.Wait()
		time.Sleep(2*n*pace + time.Second)
		synctest.Wait()
		if s.asked < 2*n || s.asked > 4*n {
			t.Errorf("%d were asked for %d times in twice their period", n, s.asked)
		}
	})
}

func TestFromAsksForOneByName(t *testing.T) {
	s := kubefake.Start(t)
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "x"}
	s.Set("secrets", &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"k": []byte("v")}})
	s.Set("configmaps", &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"k": "w"}})
	client, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	ask := From(client)
	f := func(r translate.Ref, want string) {
		t.Helper()
		c, err := ask(t.Context(), r)
		if got := fmt.Sprint(string(c.Bytes["k"]), c.Text["k"], err); got != want {
			t.Errorf("%v gives %s; want %s", r, got, want)
		}
	}
	f(translate.Ref{Secret: true, Namespace: "shop", Name: "x"}, "v<nil>")
	f(translate.Ref{Namespace: "shop", Name: "x"}, "w<nil>")
	f(translate.Ref{Secret: true, Namespace: "shop", Name: "y"}, `get secrets shop/y: secrets "y" not found`)
	f(translate.Ref{Namespace: "shop", Name: "y"}, `get configmaps shop/y: configmaps "y" not found`)
}
