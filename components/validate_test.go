package components

import (
	"reflect"
	"strings"
	"testing"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// kindOf returns the kind of that name.
func kindOf(t *testing.T, name string) component.Kind {
	t.Helper()
	for _, k := range All() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no kind %s", name)
	return component.Kind{}
}

// What cannot work is refused, with the reason and the remedy.
func TestArgumentsThatCannotWorkAreRefused(t *testing.T) {
	f := func(kind, body, want string) {
		t.Helper()
		err := evaluate(t, body, reflect.New(kindOf(t, kind).Arguments).Interface(), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s {\n%s\n}\ngives %v\nwant %q", kind, body, err, want)
		}
	}
	f("discovery.file", ``, `missing required attribute "files"`)
	f("discovery.file", `files = []`, "at least one file")
	f("discovery.file", `files = ["targets.txt"]`, "must end in .json, .yml or .yaml")
	f("discovery.file", `files = ["a*/b.json"]`, "in its last element only")
	f("discovery.file", "files = [\"a.json\"]\nrefresh_interval = \"0s\"", "refresh_interval must be greater than 0")
	f("discovery.file", "files = [\"a.json\"]\nrefresh_interval = 30", "missing unit")

	f("discovery.http", `url = "ftp://x"`, "must begin with http:// or https://")
	f("discovery.http", `url = "http://"`, "must name a host")
	f("discovery.http", `url = "http://%zz"`, "parse URL")
	f("discovery.http", "url = \"http://x\"\nrefresh_interval = \"-1s\"", "greater than 0")
	f("discovery.http", "url = \"http://x\"\nbearer_token = \"a\"\nbasic_auth { }", "at most one of")

	f("discovery.dns", `names = []`, "at least one DNS name")
	f("discovery.dns", "names = [\"x\"]\ntype = \"A\"", "port must be set")
	f("discovery.dns", "names = [\"x\"]\ntype = \"TXT\"", "use one of SRV, A, AAAA, MX, NS")

	f("discovery.relabel", "targets = []\nrule {\n action = \"nope\"\n}", "unknown action")
	f("discovery.relabel", "targets = [\"a:1\"]", "should be capsule")

	f("local.file", `filename = ""`, "filename must not be empty")
	f("local.file", "filename = \"x\"\ndetector = \"inotify\"", "use fsnotify or poll")
	f("local.file", "filename = \"x\"\npoll_frequency = \"0s\"", "greater than 0")

	f("remote.http", `url = "x"`, "must begin with http:// or https://")
	f("remote.http", "url = \"http://x\"\nmethod = \"G E T\"", "no HTTP method")
	f("remote.http", "url = \"http://x\"\npoll_frequency = \"5s\"", "poll_timeout 10s must be less than poll_frequency 5s")
	f("remote.http", "url = \"http://x\"\nclient {\n bearer_token = \"a\"\n bearer_token_file = \"b\"\n}", "at most one of")

	f("prometheus.echo", `format = "json"`, "use text or openmetrics")
	f("prometheus.exporter.self", `x = 1`, `unrecognized attribute name "x"`)

	f("prometheus.receive_http", ``, `missing required attribute "forward_to"`)
	f("prometheus.receive_http", "forward_to = [sink]\naccepted_remote_write_protobuf_messages = []", "at least one message")
	f("prometheus.receive_http", "forward_to = [sink]\naccepted_remote_write_protobuf_messages = [\"x\"]", "use prometheus.WriteRequest or io.prometheus.write.v2.Request")
	f("prometheus.receive_http", "forward_to = [sink]\ngraceful_shutdown_timeout = \"-1s\"", "must not be negative")
	f("prometheus.receive_http", "forward_to = [sink]\nhttp {\n listen_port = 70000\n}", "from 0 to 65535")
	f("prometheus.receive_http", "forward_to = [sink]\nhttp {\n conn_limit = -1\n}", "conn_limit must not be negative")
	f("prometheus.receive_http", "forward_to = [sink]\nhttp {\n server_idle_timeout = \"-1s\"\n}", "server_idle_timeout must not be negative")
	tls := func(inner string) string { return "forward_to = [sink]\nhttp {\n tls {\n" + inner + "\n}\n}" }
	f("prometheus.receive_http", tls(`cert_file = "a"`), "exactly one of key_pem and key_file")
	f("prometheus.receive_http", tls("cert_file = \"a\"\ncert_pem = \"b\"\nkey_file = \"c\""), "exactly one of cert_pem and cert_file")
	f("prometheus.receive_http", tls("cert_file = \"a\"\nkey_file = \"c\"\nmin_version = \"SSL\""), "unknown min_version")
	f("prometheus.receive_http", tls("cert_file = \"a\"\nkey_file = \"c\"\nclient_auth_type = \"Maybe\""), "unknown client_auth_type")
	f("prometheus.receive_http", tls("cert_file = \"a\"\nkey_file = \"c\"\ncipher_suites = \"TLS_RSA_WITH_AES_128_GCM_SHA256, NONE\""), `unknown cipher suite "NONE"`)
	f("prometheus.receive_http", tls("cert_file = \"a\"\nkey_file = \"c\"\nclient_ca = \"x\"\nclient_ca_file = \"y\""), "at most one of client_ca and client_ca_file")
	h2 := func(inner string) string { return "forward_to = [sink]\nhttp {\n http2 {\n" + inner + "\n}\n}" }
	f("prometheus.receive_http", h2(`max_read_frame_size = 100`), "max_read_frame_size must be 0 or from 16384 to 16777215")
	f("prometheus.receive_http", h2(`max_upload_buffer_per_connection = 5`), "max_upload_buffer_per_connection must be 0 or from")
	f("prometheus.receive_http", h2(`idle_timeout = "5s"`), "server_idle_timeout holds for HTTP/2 too")
}

// Secrets do not decode into what is shown.
func TestSecretsStaySecret(t *testing.T) {
	var a fileSDArguments
	err := evaluate(t, `files = [secret]`, &a, map[string]any{"secret": secretText})
	if err == nil || strings.Contains(err.Error(), string(secretText)) {
		t.Errorf("a secret as a file name gives %v", err)
	}
}
