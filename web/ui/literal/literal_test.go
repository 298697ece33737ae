package literal

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax"
	"github.com/grafana/alloy/syntax/encoding/alloyjson"
)

// encoded returns a value as the encoder of the language has it.
func encoded(t testing.TB, v any) (out Value) {
	t.Helper()
	text, err := alloyjson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestValuesReadLikeAConfiguration(t *testing.T) {
	f := func(v any, wantLine, wantText string) {
		t.Helper()
		got := encoded(t, v)
		if line := got.Line(0); line != wantLine {
			t.Errorf("line %s; want %s", line, wantLine)
		}
		if text := got.Text(0); text != wantText {
			t.Errorf("text %s; want %s", text, wantText)
		}
	}
	same := func(v any, want string) { t.Helper(); f(v, want, want) }
	same(nil, "null")
	same(true, "true")
	same(2.5, "2.5")
	same(`a "word"`, `a "word"`)
	same("", `""`)
	same([]string{}, "[]")
	same([]string{`a "word"`}, `["a \"word\""]`)
	same(map[string]int{"dry-run": 1}, `{"dry-run" = 1}`)
	same(map[string]int{"": 1}, `{"" = 1}`)
	f([]int{1, 2}, "[1, 2]", "[\n  1,\n  2,\n]")
	f(map[string][]int{"a": {1, 2}, "b": nil}, "{a = [1, 2], b = []}", "{\n  a = [\n    1,\n    2,\n  ],\n  b = [],\n}")
}

// What is printed can be read by the language: it is the same value.
func TestPrintedValuesCanBeRead(t *testing.T) {
	for _, v := range []any{
		map[string]any{"a": []any{1, "x\n", true}, "b-c": map[string]any{"d": "{}"}},
		[]any{[]any{}, map[string]any{}, []any{"one"}},
	} {
		value := encoded(t, v)
		for _, text := range []string{value.Text(0), value.Line(0)} {
			var back struct {
				V any `alloy:"v,attr"`
			}
			if err := syntax.Unmarshal([]byte("v = "+text+"\n"), &back); err != nil {
				t.Errorf("%s: %s", text, err)
			} else if got := encoded(t, back.V).Line(0); got != value.Line(0) {
				t.Errorf("%s is read as %s", text, got)
			}
		}
	}
}

func TestLongValuesEndSoonAfterTheLimit(t *testing.T) {
	var words []string
	for i := range 10000 {
		words = append(words, fmt.Sprint("word", i))
	}
	v := encoded(t, words)
	if n := len(v.Text(500)); n < 500 || n > 530 {
		t.Errorf("a text of at most 500 bytes has %d", n)
	}
	if !strings.Contains(v.Line(0), `"word9999"]`) {
		t.Error("a value without a limit is not whole")
	}
	f := func(v any, want string) {
		t.Helper()
		if got := encoded(t, v).Summary(); got != want {
			t.Errorf("summary %q; want %q", got, want)
		}
	}
	f(words, "10,000 items")
	f(map[string]int{"a": 1}, "1 member")
	f(strings.Repeat("x", 2048), "2 KiB of text")
}
