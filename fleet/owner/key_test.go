package owner

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// keyVectors is testdata/keys.json: keys that an independent implementation
// computed.
type keyVectors struct {
	Targets []struct {
		Labels map[string]string `json:"labels"`
		Hash   string            `json:"non_meta_hash"`
	} `json:"target_hash"`
	Strings []struct {
		String string `json:"string"`
		Hash   string `json:"hash"`
	} `json:"string_key"`
}

func TestKeysEqualTheVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var v keyVectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Targets) == 0 || len(v.Strings) == 0 {
		t.Fatal("no vectors")
	}
	for _, c := range v.Targets {
		if got, want := TargetKey(labels.FromMap(c.Labels)), Key(hex(t, c.Hash)); got != want {
			t.Errorf("key of target %v is %x; want %x", c.Labels, got, want)
		}
	}
	for _, c := range v.Strings {
		if got, want := StringKey(c.String), Key(hex(t, c.Hash)); got != want {
			t.Errorf("key of %q is %x; want %x", c.String, got, want)
		}
	}
}

func TestKeyIgnoresMetaLabelsOnly(t *testing.T) {
	base := labels.FromStrings("__address__", "a:1", "job", "x")
	same := labels.FromStrings("__address__", "a:1", "__meta_pod", "p", "job", "x")
	other := labels.FromStrings("__address__", "a:1", "__param_pod", "p", "job", "x")
	if TargetKey(base) != TargetKey(same) {
		t.Error("a meta label changes the key")
	}
	if TargetKey(base) == TargetKey(other) {
		t.Error("a parameter does not change the key")
	}
}

// What rules have made equal is one target, whatever it was before.
func TestFinalKeyIsOfWhatIsFetchedAndOfTheSeries(t *testing.T) {
	base := labels.FromStrings("instance", "a:1", "job", "x")
	f := func(url string, public labels.Labels, same bool) {
		t.Helper()
		if got := FinalKey(url, public) == FinalKey("http://a:1/metrics", base); got != same {
			t.Errorf("%s %s: the same is %t", url, public, got)
		}
	}
	f("http://a:1/metrics", labels.FromStrings("job", "x", "instance", "a:1"), true)
	f("http://a:1/metrics?x=1", base, false)
	f("http://a:1/metrics", labels.FromStrings("instance", "a:1", "job", "y"), false)
	f("http://a:1/metrics", labels.FromStrings("instance", "a:1", "job", "x", "pod", "p"), false)
}

func TestDiscoveredKeyIsOfTheLabelsAsText(t *testing.T) {
	f := func(want string, own ...string) {
		t.Helper()
		if got := DiscoveredKey(labels.FromStrings(own...)); got != StringKey(want) {
			t.Errorf("the key of %v is not that of %s", own, want)
		}
	}
	f(`{}`)
	f(`{__address__="10.0.0.1:80"}`, "__address__", "10.0.0.1:80", "__meta_kubernetes_pod_container_name", "c")
	f(`{a="x\"y", a_b="", b="é\n"}`, "b", "é\n", "a", `x"y`, "a_b", "")
	f(`{a0="", a="", a_="z"}`, "a", "", "a0", "", "a_", "z") // sorted as text: 0 before =
}
