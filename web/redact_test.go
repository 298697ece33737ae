package web

import (
	"reflect"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/grafana/alloy/syntax/encoding/alloyjson"
)

// testArguments are arguments in every shape that a secret can take.
type testArguments struct {
	URL     string                         `alloy:"url,attr"`
	Secret  alloytypes.Secret              `alloy:"secret,attr,optional"`
	Content alloytypes.OptionalSecret      `alloy:"content,attr,optional"`
	Headers map[string][]alloytypes.Secret `alloy:"headers,attr,optional"`
	Token   string                         `alloy:"auth_token,attr,optional"`
	Inner   *struct {
		Deep alloytypes.Secret `alloy:"deep,attr"`
		Name string            `alloy:"name,attr"`
	} `alloy:"inner,block,optional"`
	Many []struct {
		Deep alloytypes.Secret `alloy:"deep,attr"`
	} `alloy:"many,block,optional"`
	Squashed testSquashed `alloy:",squash"`
	Stages   []struct {
		One *testSquashed `alloy:"one,block,optional"`
	} `alloy:"stage,enum,optional"`
}

type testSquashed struct {
	Password alloytypes.Secret `alloy:"password,attr,optional"`
}

// What is secret by its type, its name or its place is gone; the rest is as it
// was.
func TestSourceKeepsNothingSecret(t *testing.T) {
	r := redaction{types: map[string]reflect.Type{"test.kind": reflect.TypeFor[testArguments]()}}
	f := func(in, want string) {
		t.Helper()
		if got := string(r.source("a.alloy", []byte(in))); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
	body := func(in string) string { return "test.kind \"a\" {\n" + in + "\n}\n" }
	f(body(`url = "http://host/path"`), body(`url = "http://host/path"`))
	f(body(`url = "http://user:hunter2@host/path"`), body(`url = "http://user:(redacted)@host/path"`))
	f(body(`secret = "hunter2"`), body(`secret = "(redacted)"`))
	f(body("secret = `hun\nter2`"), body(`secret = "(redacted)"`))
	f(body(`secret = "a" + string.to_lower("b")`), body(`secret = "(redacted)" + string.to_lower("(redacted)")`))
	f(body(`secret = sys.env("NAME")`), body(`secret = sys.env("NAME")`))
	f(body(`secret = env("NAME")`), body(`secret = env("NAME")`))
	f(body(`content = "hunter2"`), body(`content = "(redacted)"`))
	f(body(`headers = {"X-Key" = ["hunter2"]}`), body(`headers = {"X-Key" = ["(redacted)"]}`))
	f(body(`url = "http://host/?a=b&api_key=hunter2&c=d"`), body(`url = "http://host/?a=b&api_key=(redacted)&c=d"`))
	f(body(`url = {"Authorization" = "Bearer " + "hunter2", a = [{password = "x", b = "y"}]}`),
		body(`url = {"Authorization" = "(redacted)" + "(redacted)", a = [{password = "(redacted)", b = "y"}]}`))
	f(body(`auth_token = "hunter2"`), body(`auth_token = "(redacted)"`))
	f(body("inner {\n  deep = \"x\"\n  name = \"n\"\n}"), body("inner {\n  deep = \"(redacted)\"\n  name = \"n\"\n}"))
	f(body("many {\n  deep = \"x\"\n}"), body("many {\n  deep = \"(redacted)\"\n}"))
	f(body(`password = "x"`), body(`password = "(redacted)"`))
	f(body("stage.one {\n  password = \"x\"\n}"), body("stage.one {\n  password = \"(redacted)\"\n}"))
	f(body(`unknown = "x"`), body(`unknown = "(redacted)"`))
	f(body(`// secret = "hunter2"`), body(`// secret = "(redacted)"`))
	f(body(`/* it's "hunter2 */`), body(`/* it's "(redacted)"`))
	f("declare \"m\" {\n"+body(`secret = "x"`)+"}\n", "declare \"m\" {\n"+body(`secret = "(redacted)"`)+"}\n")
	f("m \"a\" {\n  anything = \"x\"\n}\n", "m \"a\" {\n  anything = \"(redacted)\"\n}\n")
	f("argument \"a\" {\n  default = \"x\"\n}\n", "argument \"a\" {\n  default = \"(redacted)\"\n}\n")
}

// Of a file that does not parse, nothing is kept.
func TestSourceThatDoesNotParseIsLeftOut(t *testing.T) {
	got := string(redaction{}.source("a.alloy", []byte("secret = \"hunter2\n")))
	if strings.Contains(got, "hunter2") || !strings.Contains(got, "left out") {
		t.Errorf("got %s", got)
	}
}

// Whatever bytes a file has, its redaction does not panic.
func FuzzSource(f *testing.F) {
	f.Add("test.kind \"a\" {\n secret = \"x\"\n}")
	f.Add("// \"open\r\n/* ` */ a.b {\r\n}")
	f.Fuzz(func(t *testing.T, text string) {
		r := redaction{types: map[string]reflect.Type{"test.kind": reflect.TypeFor[testArguments]()}}
		r.source("a.alloy", []byte(text))
	})
}

// Flags and environment lose what looks secret.
func TestFlagsAndEnvironmentAreMasked(t *testing.T) {
	f := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(flags([]string{"a=1", "b=http://u:hunter2@h/"}), "a=1\nb=http://u:(redacted)@h/\n")
	f(flags([]string{"cluster.discover-peers=provider=aws access_key_id=abc secret_access_key=hunter2 region=x"}),
		"cluster.discover-peers=provider=aws access_key_id=(redacted) secret_access_key=(redacted) region=x\n")
	f(environment([]string{"TZ=UTC", "API=hunter2", "EMPTY="}), "API=(redacted)\nEMPTY=(redacted)\nTZ=UTC\n")
}

// A URL loses its secret parameters in JSON too, where & is escaped.
func TestURLParametersAreHidden(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(HidePasswords([]byte(in))); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	f("http://h/?token=x", "http://h/?token=(redacted)")
	f("http://h/?a=b&X-Amz-Signature=x y", "http://h/?a=b&X-Amz-Signature=(redacted) y")
	f(`"http://h/?a=b\u0026api_key=x"`, `"http://h/?a=b\u0026api_key=(redacted)"`)
	f("http://h/?monkey=x&keys=y", "http://h/?monkey=x&keys=y")
}

// What has been encoded loses what is secret by name.
func TestNamedValuesAreHidden(t *testing.T) {
	f := func(value any, want string) {
		t.Helper()
		text, err := alloyjson.MarshalBody(value)
		if err == nil {
			text, err = hideNamed(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text); strings.Contains(got, "hunter2") || !strings.Contains(got, want) {
			t.Errorf("got %s, want %q in it", got, want)
		}
	}
	type inner struct {
		Name  string `alloy:"name,attr"`
		Token string `alloy:"token,attr"`
	}
	f(struct {
		Headers map[string]string `alloy:"headers,attr"`
	}{map[string]string{"X-Api-Key": "hunter2", "Accept": "text/plain"}}, "text/plain")
	f(struct {
		Inner inner `alloy:"inner,block"`
	}{inner{"plain", "hunter2"}}, "plain")
	f(struct {
		Params map[string][]string `alloy:"params,attr"`
	}{map[string][]string{"password": {"hunter2"}}}, redacted)
}
