package status

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// secretName matches names whose values are secret whatever their type.
var secretName = regexp.MustCompile(`(?i)passw|secret|token|credential|bearer|authorization|cookie|key_pem|api[-_]?key|access[-_]?key|private[-_]?key|account[-_]?key|[-_]key$|connection_string|dsn|^body$`)

// SecretName reports whether a name, such as that of an argument or of a header,
// says that its value is secret.
func SecretName(name string) bool {
	return secretName.MatchString(name) || secretParameter.MatchString(name)
}

// HideFields returns text, a body in the encoding of package alloyjson, with
// "(redacted)" for the strings of fields that are secret by name, such as the
// header Authorization, or the parameter of a target. Those of arguments stay:
// types mark them.
func HideFields(text []byte) ([]byte, error) {
	if len(text) == 0 {
		return text, nil
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	var body any
	if err := in.Decode(&body); err != nil {
		return nil, err
	}
	if !hideFields(body, false) {
		return text, nil
	}
	return json.Marshal(body)
}

// hideFields hides strings in v: all of them, or those of fields with a secret
// name. It reports whether there were any.
func hideFields(v any, all bool) (found bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = hideFields(item, all) || found
		}
	case map[string]any:
		key, _ := v["key"].(string)
		all = all || SecretName(key)
		if _, text := v["value"].(string); text && all && v["type"] == "string" {
			v["value"], found = hidden, true
		}
		found = hideFields(v["value"], all) || found
		found = hideFields(v["body"], all) || found
	}
	return found
}
