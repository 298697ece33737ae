package lookup

import (
	"context"
	"errors"
	"log"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// A cloud is a provider of a test.
type cloud func(question map[string]string) ([]string, error)

func (c cloud) Addrs(question map[string]string, _ *log.Logger) ([]string, error) { return c(question) }

// The question is what people know from go-discover.
func TestQuestionIsReadAsItIsWritten(t *testing.T) {
	f := func(text string, pairs ...string) {
		t.Helper()
		want := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			want[pairs[i]] = pairs[i+1]
		}
		got, err := parseQuestion(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	f("provider=gce", "provider", "gce")
	f("  provider=gce\ttag_value=divvy  ", "provider", "gce", "tag_value", "divvy")
	f(`provider=k8s label_selector="app=divvy, tier=\"x\\y\""`, "provider", "k8s", "label_selector", `app=divvy, tier="x\y"`)
	f(`"provider"="gce" "some key"="a b"`, "provider", "gce", "some key", "a b")

	wrong := func(text, want string) {
		t.Helper()
		if got, err := parseQuestion(text); err == nil || err.Error() != want {
			t.Errorf("%s gives %v and %v, want %s", text, got, err, want)
		}
	}
	wrong("region=x", "no provider")
	wrong("provider", "provider: missing '='")
	wrong("provider=", "provider: missing value")
	wrong("provider= x=y", "provider: missing value")
	wrong("provider=a provider=b", "provider: duplicate key")
	wrong("provider=a selector=app=divvy", "selector: app=divvy needs double quotes around it")
	wrong(`provider="a`, `provider: unbalanced quotes in "a`)
	wrong("=a", "missing value")
}

// A provider's answer is completed with the port, and each peer is there once.
func TestProviderIsAsked(t *testing.T) {
	known := map[string]Provider{
		"sky":  cloud(func(q map[string]string) ([]string, error) { return strings.Split(q["list"], ","), nil }),
		"rain": cloud(func(map[string]string) ([]string, error) { return nil, errors.New("no umbrella") }),
	}
	f := func(question string, want ...string) {
		t.Helper()
		c := Config{Provider: question, Port: 12345, Providers: known}
		got, err := c.Peers(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", question, err, diff)
		}
	}
	f("provider=sky list=10.0.0.1,10.0.0.2:80,10.0.0.1", "10.0.0.1:12345", "10.0.0.2:80")
	f("provider=sky list=fd00::1,[fd00::2],[fd00::3]:80", "[fd00::1]:12345", "[fd00::2]:12345", "[fd00::3]:80")

	wrong := func(question, want string) {
		t.Helper()
		c := Config{Provider: question, Providers: known}
		if got, err := c.Peers(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%s gives %v and %v, want %s", question, got, err, want)
		}
	}
	wrong("provider=rain", "ask provider rain for peers: no umbrella")
	wrong("provider", `read "provider": provider: missing '='`)
	wrong("provider=sun", `provider "sun" is unknown; there are gce, linode, mdns, rain, sky, tencentcloud. Addresses that the DNS knows can be joined without one`)
	wrong("provider=aws", `provider "aws" is not part of this build; there are gce, linode, mdns, rain, sky, tencentcloud. Addresses that the DNS knows can be joined without one`)
}

// What the build has is known before it is asked.
func TestValidateListsProviders(t *testing.T) {
	c := Config{Provider: "provider=gce project_name=x"}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Provider = "provider=aws label_selector=x"
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), "gce, linode, mdns, tencentcloud") || !strings.Contains(err.Error(), "not part of this build") {
		t.Errorf("got %v", err)
	}
}

// A provider that does not answer costs some seconds, not the node.
func TestSilentProviderIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		c := Config{Provider: "provider=sky", Providers: map[string]Provider{
			"sky": cloud(func(map[string]string) ([]string, error) { <-answer; return nil, nil }),
		}}
		_, err := c.Peers(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(answer)
	})
}
