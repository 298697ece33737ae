package selector

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestSelectorsReadAsPromQLDoes(t *testing.T) {
	set := labels.FromStrings("job", "api", "env", "prod-1", "quote", `a"b`)
	f := func(selector string, want bool) {
		t.Helper()
		list, err := Parse(selector)
		if err != nil {
			t.Errorf("%s: %v", selector, err)
			return
		}
		if got := list.Matches(set); got != want {
			t.Errorf("%s selects: %t; want %t", selector, got, want)
		}
	}
	f(``, true)
	f(`{}`, true)
	f(`{job="api"}`, true)
	f(`{job="api",}`, true)
	f(` { job = "api" , env =~ "prod-.*" } `, true)
	f(`{job!="api"}`, false)
	f(`{env=~"prod"}`, false) // anchored
	f(`{env!~"test.*"}`, true)
	f(`{missing=""}`, true)
	f("{quote=`a\"b`}", true)
	f(`{quote="a\"b"}`, true)
	f(`{quote='a"b'}`, true)
	f(`job=api`, true)
	f(`job=api,env=~prod-[0-9]`, true)
	f(`job="api",env="other"`, false)
}

func TestWrongSelectorsAreExplained(t *testing.T) {
	f := func(selector, want string) {
		t.Helper()
		if _, err := Parse(selector); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", selector, err, want)
		}
	}
	f(`{job="api"`, "closing brace")
	f(`{job="api}`, "no closing quote")
	f(`{job}`, "is no condition")
	f(`{="x"}`, "not the name of a label")
	f(`{job!"x"}`, "none of =")
	f(`{job=~"("}`, "condition on job")
	f(`{job="a" env="b"}`, "no comma")
	f(`{job="\q"}`, "not quoted")
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{`{job="api",env=~"p.*"}`, `job=a`, "{a=`b`}", `{a='\''}`, `{a="\`, `{a!~"["}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if list, err := Parse(s); err == nil {
			list.Matches(labels.FromStrings("a", "x"))
		}
	})
}
