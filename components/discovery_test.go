package components

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/dns"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
)

const secretText = alloytypes.Secret("hush")

// text returns targets as people write them.
func text(list []args.Target) []string {
	out := []string{}
	for _, t := range list {
		out = append(out, t.Target.String())
	}
	return out
}

// lists reports whether the targets are these.
func lists(want ...string) func(targetsExport) bool {
	return func(x targetsExport) bool { return cmp.Equal(text(x.Targets), want) }
}

func TestDiscoveryFileExportsTargets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yml")
	if err := os.WriteFile(path, []byte("- targets: [b:1, a:1]\n  labels: {env: prod}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	meta := fmt.Sprintf("%q", path)
	r := start(t, newFinder(fileSDArguments.source), `files = ["`+path+`"]`, nil)
	await(r, lists(
		`{__address__="b:1", __meta_filepath=`+meta+`, env="prod"}`,
		`{__address__="a:1", __meta_filepath=`+meta+`, env="prod"}`,
	))
}

func TestDiscoveryHTTPAuthenticates(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "u" || password != string(secretText) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[{"targets": ["a:1"]}]`)
	}))
	defer srv.Close()
	r := start(t, newFinder(httpSDArguments.source), `
		url = "`+srv.URL+`"
		basic_auth {
			username = "u"
			password = secret
		}`, map[string]any{"secret": secretText})
	await(r, lists(fmt.Sprintf(`{__address__="a:1", __meta_url=%q}`, srv.URL)))
	if err := r.update(`url = "http://127.0.0.1:1"` + "\n" + `tls_config { ca_file = "/does/not/exist" }`); err == nil {
		t.Error("a CA that does not exist is accepted")
	}
}

func TestDiscoveryDNSHandsItsArgumentsOn(t *testing.T) {
	var a dnsSDArguments
	if err := evaluate(t, "names = [\"a\", \"b\"]\ntype = \"aaaa\"\nport = 90\nrefresh_interval = \"1m\"", &a, nil); err != nil {
		t.Fatal(err)
	}
	want := &dns.SDConfig{Names: []string{"a", "b"}, Type: "aaaa", Port: 90, RefreshInterval: model.Duration(time.Minute)}
	if diff := cmp.Diff(want, a.source()); diff != "" {
		t.Error(diff)
	}
}

func TestDiscoveryRelabelExportsWhatItKeeps(t *testing.T) {
	r := start(t, newDiscoveryRelabel, `
		targets = [
			{"__address__" = "a:1", "__meta_role" = "web"},
			{"__address__" = "b:1", "__meta_role" = "db"},
			{"__address__" = "c:1", "__meta_role" = "web"},
		]
		rule {
			source_labels = ["__meta_role"]
			regex         = "web"
			action        = "keep"
		}
		rule {
			source_labels = ["__meta_role"]
			target_label  = "role"
		}`, nil)
	x := await(r, func(targetRulesExport) bool { return true })
	want := []string{
		`{__address__="a:1", __meta_role="web", role="web"}`,
		`{__address__="c:1", __meta_role="web", role="web"}`,
	}
	if diff := cmp.Diff(want, text(x.Output)); diff != "" {
		t.Error(diff)
	}
	if len(x.Rules) != 2 || x.Rules[1].TargetLabel != "role" {
		t.Errorf("rules %+v", x.Rules)
	}
	if err := r.update(`targets = []`); err != nil {
		t.Fatal(err)
	}
	if x := await(r, func(targetRulesExport) bool { return true }); x.Output == nil || len(x.Output) != 0 {
		t.Errorf("no targets give %v", x.Output)
	}
}

func TestExporterSelfIsATargetAndItsAnswer(t *testing.T) {
	r := start(t, newExporterSelf, ``, nil)
	x := await(r, func(targetsExport) bool { return true })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"__address__":           "divvy.internal:12345",
		"__scheme__":            "http",
		"__metrics_path__":      "/api/v0/component/kind.test.default/metrics",
		"__meta_component_name": "prometheus.exporter.self",
		"__meta_component_id":   "kind.test.default",
		"job":                   "integrations/self",
		"instance":              host,
	}
	if diff := cmp.Diff(want, x.Targets[0].Target.Map()); diff != "" || len(x.Targets) != 1 {
		t.Error(diff)
	}
	srv := httptest.NewServer(r.instance.(component.Server).Handler())
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("status %d %q %v", resp.StatusCode, body, err)
	}
}
