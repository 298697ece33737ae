package kube

import (
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestErrorsNameWhatWasAsked(t *testing.T) {
	f := func(q Question, err error, want string) {
		t.Helper()
		if got := q.Wrap(err); got == nil || got.Error() != want || !errors.Is(got, err) {
			t.Errorf("%v; want %s", got, want)
		}
	}
	plain := errors.New("no route")
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db", errors.New("no"))
	f(Question{Verb: "list", Resource: "nodes"}, plain, "list nodes: no route")
	f(Question{Verb: "list", Resource: "pods", Namespace: "shop"}, plain, "list pods in namespace shop: no route")
	f(Question{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "db"}, denied,
		`get secrets shop/db: secrets "db" is forbidden: no; allow it in a role that is bound to the collector's account`)
	if err := (Question{}).Wrap(nil); err != nil {
		t.Errorf("no error becomes %v", err)
	}
}

func TestNewConnectsNowhereAndReportsBadFiles(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(c Config, want string) {
		t.Helper()
		_, err := New(c)
		if want == "" && err == nil {
			return
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v; want %q", c, err, want)
		}
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	f(Config{Server: "http://127.0.0.1:1"}, "")
	f(Config{File: filepath.Join(dir, "none")}, "read kubeconfig file")
	f(Config{File: bad}, "read kubeconfig file")
	f(Config{}, "set api_server or kubeconfig_file")
}

// A request that fails says what was asked, not by which URL.
func TestFailedRequestsAreToldWithoutTheirURL(t *testing.T) {
	q := Question{Verb: "watch", Resource: "probes"}
	got := q.Wrap(&url.Error{Op: "Get", URL: "https://h/apis?timeoutSeconds=483", Err: io.EOF})
	if got.Error() != "watch probes: EOF" || !errors.Is(got, io.EOF) {
		t.Errorf("got %v", got)
	}
}
