package web

import (
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax"
)

// Each mistake in an http block is named; all are reported at once.
func TestOptionsNameEveryMistake(t *testing.T) {
	f := func(config string, want ...string) {
		t.Helper()
		var opts Options
		err := syntax.Unmarshal([]byte(config), &opts)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if (len(want) == 0) != (text == "") {
			t.Errorf("%s: %q; want %q", config, text, want)
		}
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q lacks %q", config, text, part)
			}
		}
	}
	tls := func(args string) string { return "tls {\n" + args + "\n}" }
	pair := "cert_pem = \"x\"\nkey_pem = \"y\"\n"
	f(``)
	f("auth {\nbasic {\nusername = \"a\"\npassword = \"b\"\n}\n}")
	f("auth {\nbasic {\nusername = \"\"\npassword = \"b\"\n}\n}", "not empty")
	f(tls(pair))
	f(tls(""), "one of cert_pem and cert_file", "one of key_pem and key_file")
	f(tls(pair+"cert_file = \"f\"\nkey_file = \"f\""), "cert_pem and cert_file exclude", "key_pem and key_file exclude")
	f(tls(pair+"min_version = \"TLS9\""), `min_version "TLS9" is none of [TLS10 TLS11 TLS12 TLS13]`)
	f(tls(pair+"min_version = \"TLS13\"\nmax_version = \"TLS12\""), "max_version is below min_version")
	f(tls(pair+"client_auth_type = \"Maybe\""), "client_auth_type \"Maybe\"", "RequireAndVerifyClientCert")
	f(tls(pair+"client_ca_pem = \"x\""), "asks for none")
	f(tls(pair+"cipher_suites = [\"ROT13\"]\ncurve_preferences = [\"P1\"]"), "cipher_suites \"ROT13\"", "curve_preferences \"P1\"")
	f(tls(pair+"windows_certificate_filter {\n}"), "windows_certificate_filter cannot work")
}
