package status

import (
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax/encoding/alloyjson"
)

func TestHideFieldsKnowsSecretsByName(t *testing.T) {
	f := func(fields map[string]any, hides bool) {
		t.Helper()
		text, err := alloyjson.MarshalBody(map[string]any{"targets": []any{fields}})
		if err == nil {
			text, err = HideFields(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if shown := strings.Contains(string(text), "hunter2"); shown == hides {
			t.Errorf("%v: got %s", fields, text)
		}
	}
	f(map[string]any{"__param_sig": "hunter2"}, true)
	f(map[string]any{"__param_token": "hunter2"}, true)
	f(map[string]any{"X-Api-Key": "hunter2"}, true)
	f(map[string]any{"Authorization": []any{"hunter2", "hunter2"}}, true)
	f(map[string]any{"__param_module": "hunter2"}, false)
	f(map[string]any{"job": "hunter2"}, false)
	f(map[string]any{"password_file": map[string]any{"x": "hunter2"}}, true)
}

func TestHideFieldsLeavesArgumentsToTheirTypes(t *testing.T) {
	text, err := alloyjson.MarshalBody(map[string]any{"bearer_token_file": "/run/x", "number": 123456789012345})
	if err == nil {
		text, err = HideFields(text)
	}
	if err != nil || !strings.Contains(string(text), "/run/x") || !strings.Contains(string(text), "123456789012345") {
		t.Errorf("got %s, %v", text, err)
	}
}
