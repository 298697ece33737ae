package words

import "testing"

func TestListsReadAsSentencesDo(t *testing.T) {
	f := func(want string, names ...string) {
		t.Helper()
		if got := List(names); got != want {
			t.Errorf("%v: %q; want %q", names, got, want)
		}
	}
	f("nobody")
	f("a", "a")
	f("a and b", "a", "b")
	f("a, b, c, d and e", "a", "b", "c", "d", "e")
	f("a, b, c, d and 2 more", "a", "b", "c", "d", "e", "f")
}

func TestNumbersGoWithTheirNouns(t *testing.T) {
	f := func(n int, want string) {
		t.Helper()
		if got := Count(n, "target") + " " + Verb(n, "is", "are"); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	f(0, "0 targets are")
	f(1, "1 target is")
	f(2, "2 targets are")
}
