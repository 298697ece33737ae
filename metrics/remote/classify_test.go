package remote

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/metrics/remote/wire"
)

func TestClassify(t *testing.T) {
	const rw1, rw2, md = wire.KindWrite1, wire.KindWrite2, wire.KindMetadata1
	f := func(r reply, kind uint8, retry429 bool, want outcome) {
		t.Helper()
		if got := classify(r, kind, retry429); got != want {
			t.Errorf("%d %v of kind %d (429: %v) is %s; want %s", r.status, r.err, kind, retry429, got, want)
		}
	}
	code := func(status int) reply { return reply{status: status, confirmed: true} }
	for _, kind := range []uint8{rw1, rw2, md} {
		f(code(200), kind, true, sent)
		f(code(204), kind, true, sent)
		f(reply{err: errors.New("connection reset")}, kind, true, retry)
		f(code(500), kind, true, retry)
		f(code(502), kind, true, retry)
		f(code(503), kind, true, retry)
		f(code(504), kind, true, retry)
		f(code(301), kind, true, retry)
		f(code(308), kind, true, retry)
		f(code(429), kind, true, retry)
		f(code(429), kind, false, drop)
		f(code(401), kind, true, retry)
		f(code(403), kind, true, retry)
		f(code(404), kind, true, retry)
		f(code(405), kind, true, retry)
		f(code(407), kind, true, retry)
		f(code(408), kind, true, retry)
		f(code(425), kind, true, retry)
	}
	f(code(400), rw1, true, split)
	f(code(400), rw2, true, split)
	f(code(400), md, true, drop)
	f(code(409), rw1, true, split)
	f(code(413), rw1, true, split)
	f(code(415), rw1, true, split)
	f(code(422), rw1, true, split)
	f(code(418), rw1, true, split)
	f(code(415), rw2, true, downgrade)
	f(reply{status: 200}, rw2, true, downgrade)
	f(reply{status: 200}, rw1, true, sent)
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := func(value string, want time.Duration) {
		t.Helper()
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q is %s; want %s", value, got, want)
		}
	}
	f("", 0)
	f("0", 0)
	f("7", 7*time.Second)
	f("-7", 0)
	f("1.5", 0)
	f("soon", 0)
	f("86400", time.Hour)
	f("9223372036854775807", time.Hour)
	f(now.Add(90*time.Second).Format(http.TimeFormat), 90*time.Second)
	f(now.Add(-time.Minute).Format(http.TimeFormat), 0)
	f(now.AddDate(1, 0, 0).Format(http.TimeFormat), time.Hour)
}

func TestBackoffDoubles(t *testing.T) {
	q := Endpoint{}.withDefaults().Queue
	f := func(attempt int, asked, want time.Duration) {
		t.Helper()
		if got := backoff(q, attempt, asked); got != want {
			t.Errorf("attempt %d, asked for %s: %s; want %s", attempt, asked, got, want)
		}
	}
	f(0, 0, 30*time.Millisecond)
	f(1, 0, 60*time.Millisecond)
	f(7, 0, 3840*time.Millisecond)
	f(8, 0, 5*time.Second)
	f(1000, 0, 5*time.Second)
	f(0, time.Minute, time.Minute)
}
