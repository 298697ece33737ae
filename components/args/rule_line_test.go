package args

import "testing"

func TestLineOfARule(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		var r Rule
		if err := decode(t, body, &r); err != nil {
			t.Fatal(err)
		}
		if got := r.Line(); got != want {
			t.Errorf("%s\n\tgives %s\n\twant  %s", body, got, want)
		}
	}
	f(`source_labels = ["__meta_x"]
	   regex         = "a|b"
	   action        = "keep"`, `keep: [__meta_x] =~ "a|b"`)
	f(`source_labels = ["a", "b"]
	   regex         = "x;\\d+"
	   action        = "drop"`, `drop: [a, b] =~ "x;\d+"`)
	f(`source_labels = ["a", "b"]
	   separator     = ":"
	   target_label  = "instance"`, `replace: [a, b] with ":" → instance`)
	f(`source_labels = ["a"]
	   regex         = "(.+)-\"(.+)"
	   replacement   = "$2"
	   target_label  = "x"`, `replace: [a] =~ "(.+)-\"(.+)" → x = "$2"`)
	f(`target_label = "env"
	   replacement  = "prod"`, `replace: → env = "prod"`)
	f(`target_label = "__param_token"
	   replacement  = "hush"`, `replace: → __param_token = "(redacted b312)"`)
	f(`target_label = "__address__"
	   replacement  = "http://me:hush@proxy/"`, `replace: → __address__ = "http://me:(redacted)@proxy/"`)
	f(`source_labels = ["a"]
	   modulus       = 8
	   target_label  = "shard"
	   action        = "hashmod"`, `hashmod: [a] mod 8 → shard`)
	f(`action = "labelmap"
	   regex  = "__meta_label_(.+)"`, `labelmap: names =~ "__meta_label_(.+)"`)
	f(`action      = "labelmap"
	   regex       = "__meta_(.+)"
	   replacement = "m_$1"`, `labelmap: names =~ "__meta_(.+)" → "m_$1"`)
	f(`action = "labeldrop"
	   regex  = "tmp_.*"`, `labeldrop: names =~ "tmp_.*"`)
	f(`source_labels = ["a"]
	   target_label  = "b"
	   action        = "keepequal"`, `keepequal: [a] == b`)
	f(`source_labels = ["a"]
	   target_label  = "b"
	   action        = "uppercase"`, `uppercase: [a] → b`)
}
