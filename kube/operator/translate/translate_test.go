package translate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/runtime"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/divvy-collector/divvy/internal/script"
)

// Every case is an object whose spec is that of the least one of its kind with
// the fields of the case; the output is what changes in its scrape
// configuration. Secrets are shown.
func TestFields(t *testing.T) {
	hidden := promconfig.MarshalSecretValue
	promconfig.MarshalSecretValue = true
	t.Cleanup(func() { promconfig.MarshalSecretValue = hidden })
	find := answers(t)
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		return func(c script.Command) string {
			cfg := Config{Interval: time.Minute, Timeout: 10 * time.Second}
			for _, word := range c.Words[1:] {
				switch word {
				case "file-access":
					cfg.FileAccess = true
				case "endpointslice":
					cfg.Role = word
				case "defaults":
					cfg.SampleLimit, cfg.BucketLimit, cfg.BucketFactor = 7, 8, 1.5
					cfg.NativeHistograms, cfg.ClassicHistograms, cfg.ConvertToNHCB = true, true, true
				case "rule":
					cfg.Rules = []*relabel.Config{{SourceLabels: nil, Separator: ";", Regex: relabel.DefaultRelabelConfig.Regex, TargetLabel: "team", Replacement: "a", Action: relabel.Replace}}
				}
			}
			least, err := text(New(Config{Interval: cfg.Interval, Timeout: cfg.Timeout}), object(t, c.Words[0], ""), find)
			if err != nil {
				t.Fatal(err)
			}
			got, err := text(New(cfg), object(t, c.Words[0], c.Input), find)
			switch {
			case err != nil:
				return "error: " + err.Error() + "\n"
			case c.Input == "" && len(c.Words) == 1:
				return got
			}
			return difference(least, got)
		}
	})
}

// object returns the least object of a kind with fields added to its spec.
func object(t *testing.T, kind, fields string) runtime.Object {
	t.Helper()
	specs := map[string]string{
		"PodMonitor":     "{selector: {}, podMetricsEndpoints: [{port: web}]}",
		"ServiceMonitor": "{selector: {}, endpoints: [{port: web}]}",
		"Probe":          "{prober: {url: prober:9115}, targets: {staticConfig: {static: [a]}}}",
		"ScrapeConfig":   "{}",
	}
	kinds := map[string]runtime.Object{
		"PodMonitor": &monitoringv1.PodMonitor{}, "ServiceMonitor": &monitoringv1.ServiceMonitor{},
		"Probe": &monitoringv1.Probe{}, "ScrapeConfig": &monitoringv1alpha1.ScrapeConfig{},
	}
	out := kinds[kind]
	spec, more := map[string]any{}, map[string]any{}
	for text, into := range map[string]*map[string]any{specs[kind]: &spec, fields: &more} {
		if err := k8syaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for k, v := range more {
		spec[k] = v
	}
	u := map[string]any{"metadata": map[string]any{"name": "o", "namespace": "shop"}, "spec": spec}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u, out, true); err != nil {
		t.Fatalf("%s: %v", fields, err)
	}
	return out
}

// text translates obj and writes the result.
func text(tr *Translator, obj runtime.Object, find Lookup) (string, error) {
	res, err := tr.Translate(obj, find)
	if err != nil {
		return "", err
	}
	out, err := yaml.Marshal(res.Scrapes)
	return pems.ReplaceAllString(string(out), "a $1"), err
}

// pems are certificates and keys in YAML. They are others each time.
var pems = regexp.MustCompile(`(?s)\|\n +-----BEGIN ([A-Z ]+)-----.*?-----END [A-Z ]+-----`)

// answers returns the secret s and the config map c of the namespace shop.
func answers(t *testing.T) Lookup {
	t.Helper()
	cert, key := certificate(t)
	secret := Content{Bytes: map[string][]byte{
		"user": []byte("u"), "pass": []byte("p"), "token": []byte("t"), "cert": cert, "key": key, "bad": []byte("x"),
	}}
	configMap := Content{Text: map[string]string{"ca": string(cert), "id": "i"}}
	return func(r Ref) (Content, error) {
		switch r {
		case Ref{Secret: true, Namespace: "shop", Name: "s"}:
			return secret, nil
		case Ref{Namespace: "shop", Name: "c"}:
			return configMap, nil
		}
		return Content{}, errors.New("there is none")
	}
}

// certificate returns one with its key.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
}

// difference writes the lines that are only in one of two texts, as diff does.
func difference(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	// common[i][j] is how many lines a[i:] and b[j:] have in common.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			fmt.Fprintf(&out, "- %s\n", a[i])
			i++
		default:
			fmt.Fprintf(&out, "+ %s\n", b[j])
			j++
		}
	}
	return out.String()
}

func TestEqualRulesAreOne(t *testing.T) {
	tr := New(Config{Interval: time.Minute, Timeout: time.Second})
	a, b := object(t, "PodMonitor", ""), object(t, "PodMonitor", "")
	b.(*monitoringv1.PodMonitor).Name = "p"
	one, err := tr.Translate(a, nil)
	two, err2 := tr.Translate(b, nil)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	x, y := one.Scrapes[0].RelabelConfigs, two.Scrapes[0].RelabelConfigs
	shared := 0
	for i := range x {
		if x[i] == y[i] {
			shared++
		}
	}
	if shared != len(x)-1 { // the one of the job's name differs
		t.Errorf("of %d rules %d are shared", len(x), shared)
	}
}

// What the generator cannot bear is an error of the object.
func TestPanicIsAnError(t *testing.T) {
	tr := New(Config{Interval: time.Minute, Timeout: time.Second})
	_, err := tr.Translate(object(t, "PodMonitor", `podMetricsEndpoints: [{port: web, basicAuth: {username: {name: s, key: user}, password: {name: s, key: pass}}}]`),
		func(Ref) (Content, error) { panic("odd") })
	if err == nil || !strings.Contains(err.Error(), "gave up") {
		t.Errorf("got %v", err)
	}
}

func TestRefsAreToldAlsoOfWrongObjects(t *testing.T) {
	tr := New(Config{Interval: time.Minute, Timeout: time.Second})
	o := object(t, "PodMonitor", `podMetricsEndpoints: [{port: web, authorization: {credentials: {name: gone, key: k}}}]`)
	res, err := tr.Translate(o, func(Ref) (Content, error) { return Content{}, errors.New("none") })
	if err == nil || len(res.Scrapes) > 0 {
		t.Errorf("got %v, %v", res.Scrapes, err)
	}
	if want := (Ref{Secret: true, Namespace: "shop", Name: "gone"}); len(res.Refs) != 1 || res.Refs[0] != want {
		t.Errorf("refs %v; want %v", res.Refs, want)
	}
}
