package status

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestHidePasswordsTakesOutWhatIsSecret(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := HidePasswords(in); got != want {
			t.Errorf("%q gives %q; want %q", in, got, want)
		}
	}
	f("http://a:80/metrics", "http://a:80/metrics")
	f("http://me:hush@a:80/metrics", "http://me:(redacted)@a:80/metrics")
	f(`Get "http://me:hush@a/": EOF`, `Get "http://me:(redacted)@a/": EOF`)
	f("http://me:hush%40a:80/metrics", "http://me:(redacted)@a:80/metrics")
	f("http://a/?token=hush&x=1", "http://a/?token=(redacted)&x=1")
	f("http://a/?x=1&X-Amz-Signature=hush", "http://a/?x=1&X-Amz-Signature=(redacted)")
	f("keyed=1", "keyed=1")
}

func TestHideLabelsKeepsWhatIsNotSecret(t *testing.T) {
	f := func(name, value, want string) {
		t.Helper()
		in := labels.FromStrings(name, value, "job", "j")
		if got := HideLabels(in); got.Get(name) != want || got.Get("job") != "j" {
			t.Errorf("%s gives %s; want %q", in, got, want)
		}
	}
	f("__address__", "a:80", "a:80")
	f("__address__", "me:hush@a:80", "me:(redacted)@a:80")
	f("instance", "me:hush@a:80", "me:(redacted)@a:80")
	f("image", "app:1.2@sha256:00", "app:1.2@sha256:00")
	f("__meta_url", "https://me:hush@sd/", "https://me:(redacted)@sd/")
	f("__param_module", "http_2xx", "http_2xx")
	f("__param_sig", "hush", "(redacted b312)")
}

// Two secrets that differ are still told apart.
func TestHideLabelsShowsThatSecretsDiffer(t *testing.T) {
	a, b := labels.FromStrings("__param_token", "a"), labels.FromStrings("__param_token", "b")
	if labels.Equal(HideLabels(a), HideLabels(b)) {
		t.Errorf("both give %s", HideLabels(a))
	}
}
