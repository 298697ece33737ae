package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretConfig has the same secret in every place that a secret has. It is
// formatted with the path of a file that holds it.
const secretConfig = `
// password = "hunter2"
logging { level = "warn" }

/* an old one: "hunter2"
   and another "hunter2 */

local.file "secret" {
	filename  = %q
	is_secret = true
}

discovery.http "all" {
	url = "http://someone:hunter2@127.0.0.1:1/sd?x=1"
	oauth2 {
		client_id     = "id"
		client_secret = "hunter2"
		token_url     = "http://127.0.0.1:1/token"
	}
}

prometheus.remote_write "all" {
	endpoint {
		url = "http://someone:hunter2@127.0.0.1:1/write"
		basic_auth {
			username = "someone"
			password = "hunter2"
		}
	}
	endpoint {
		url          = "http://127.0.0.1:1/write1"
		bearer_token = "hunter" + "2" + "hunter2"
	}
	endpoint {
		url = "http://127.0.0.1:1/write2"
		authorization {
			credentials = ` + "`hunter2`" + `
		}
	}
	endpoint {
		url = "http://127.0.0.1:1/write3"
		basic_auth {
			username = "someone"
			password = local.file.secret.content
		}
	}
}

declare "inner" {
	argument "password" {
		optional = true
		default  = "hunter2"
	}
	prometheus.remote_write "in" {
		endpoint {
			url          = "http://127.0.0.1:1/write4"
			bearer_token = argument.password.value
		}
	}
}

inner "a" {
	password = "hunter2"
}

import.string "module" {
	content = "declare \"x\" { /* hunter2 */ }"
}
`

// Nothing secret leaves in a support bundle, wherever it stood.
func TestSupportBundleHoldsNoSecret(t *testing.T) {
	t.Setenv("DIVVY_TEST_SECRET", "hunter2")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCollector(t, fmt.Sprintf(secretConfig, secret), func(cfg *Config) {
		cfg.Cluster.Peers.Provider = "provider=linode api_token=hunter2"
	})
	files := c.bundle()
	for name, text := range files {
		for _, form := range []string{"hunter2", base64.StdEncoding.EncodeToString([]byte("someone:hunter2"))} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds a secret:\n%s", name, text)
			}
		}
	}
	f := func(name, part string) {
		t.Helper()
		if !strings.Contains(files["divvy-support-bundle/"+name], part) {
			t.Errorf("%s lacks %q:\n%s", name, part, files["divvy-support-bundle/"+name])
		}
	}
	f("divvy-metadata.yaml", "version: ")
	f("divvy-components.json", `"prometheus.remote_write.all"`)
	f("divvy-peers.json", `"isSelf":true`)
	f("divvy-metrics-sample-start.txt", "go_goroutines")
	f("divvy-metrics-sample-end.txt", "go_goroutines")
	f("divvy-runtime-flags.txt", "storage.path=")
	f("divvy-environment.txt", "DIVVY_TEST_SECRET=(redacted)")
	f("sources/config.alloy", `username = "someone"`)
	f("sources/config.alloy", `level = "warn"`)
	f("pprof/heap.pprof", "\x1f\x8b")
	f("pprof/cpu.pprof", "\x1f\x8b")
}

// bundle returns the files of a support bundle by name.
func (c *testCollector) bundle() map[string]string {
	c.t.Helper()
	status, body := c.get("/-/support?duration=1")
	if status != http.StatusOK {
		c.t.Fatalf("status %d: %s", status, body)
	}
	z, err := zip.NewReader(bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		part, err := f.Open()
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			c.t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}
