package lookup

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseQuestion reads "provider=name key=value …" of Config.Provider. Keys and
// values that hold spaces, quotes, backslashes or equals signs stand in double
// quotes, with backslashes before quotes and backslashes.
func parseQuestion(text string) (map[string]string, error) {
	question := map[string]string{}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		var key, value string
		var err error
		if key, rest, err = word(rest, "= \t"); err != nil {
			return nil, err
		}
		after, ok := strings.CutPrefix(rest, "=")
		if !ok {
			return nil, fmt.Errorf("%s: missing '='", key)
		}
		if value, rest, err = word(after, " \t"); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if _, twice := question[key]; twice {
			return nil, fmt.Errorf("%s: duplicate key", key)
		}
		question[key] = value
	}
	if question["provider"] == "" {
		return nil, errors.New("no provider")
	}
	return question, nil
}

// word returns what text begins with, up to one of end, and the rest.
func word(text, end string) (w, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		i := strings.IndexAny(text, end)
		if i < 0 {
			i = len(text)
		}
		if i == 0 {
			return "", "", errors.New("missing value")
		}
		if strings.ContainsAny(text[:i], `"=`) {
			return "", "", fmt.Errorf("%s needs double quotes around it", text[:i])
		}
		return text[:i], text[i:], nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", fmt.Errorf("unbalanced quotes in %s", text)
	}
	w, err = strconv.Unquote(quoted)
	return w, text[len(quoted):], err
}
