package args

import (
	"fmt"
	"net/url"

	"github.com/prometheus/common/config"
)

// URL is an address that parses. It prints without its password.
type URL string

// UnmarshalText accepts what net/url can parse.
func (u *URL) UnmarshalText(text []byte) error {
	if _, err := url.Parse(string(text)); err != nil {
		return fmt.Errorf("parse URL: %w", err)
	}
	*u = URL(text)
	return nil
}

// MarshalText returns the URL with its password replaced.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.Redacted()), nil }

// Redacted returns the URL with its password replaced.
func (u URL) Redacted() string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return ""
	}
	return parsed.Redacted()
}

// prometheus returns u for the library.
func (u URL) prometheus() config.URL {
	if u == "" {
		return config.URL{}
	}
	parsed, err := url.Parse(string(u))
	if err != nil {
		panic(fmt.Sprintf("BUG: use a URL that was not decoded: %v", err))
	}
	return config.URL{URL: parsed}
}
