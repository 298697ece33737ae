package receive

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/klauspost/compress/snappy"
)

// A refusal is an error with the status that tells a sender what to do:
// 4xx drop it, 5xx keep it.
type refusal struct {
	status int
	err    error
}

// Error returns the reason.
func (r refusal) Error() string { return r.err.Error() }

// Unwrap returns the reason, too.
func (r refusal) Unwrap() error { return r.err }

// refuse returns a refusal.
func refuse(status int, format string, args ...any) error {
	return refusal{status: status, err: fmt.Errorf(format, args...)}
}

// ServeHTTP answers one request:
//
//	204  all of it is committed
//	400  malformed; what is well-formed of it is committed
//	405, 413, 415  wrong method, too large, wrong type of content
//	503  not committed, or not all of it: send it again
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s := r.state.Load()
	message, err := messageOf(req, s)
	if err != nil {
		r.answer(s, w, err)
		return
	}
	n, err := r.take(s, message, w, req)
	if message == MessageV2 {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n.samples))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(n.histograms))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(n.exemplars))
	}
	r.answer(s, w, err)
}

// answer tells the sender how it went.
func (r *Receiver) answer(s *state, w http.ResponseWriter, err error) {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status := http.StatusServiceUnavailable
	var no refusal
	if errors.As(err, &no) {
		status = no.status
	}
	s.conf.Log.Warn("request not taken", "status", status, "err", err)
	http.Error(w, err.Error(), status)
}

// messageOf returns which message the request holds.
func messageOf(req *http.Request, s *state) (string, error) {
	if req.Method != http.MethodPost {
		return "", refuse(http.StatusMethodNotAllowed, "method %s: use POST", req.Method)
	}
	if e := req.Header.Get("Content-Encoding"); e != "" && e != "snappy" {
		return "", refuse(http.StatusUnsupportedMediaType, "content encoding %q: use snappy", e)
	}
	message := MessageV1
	if text := req.Header.Get("Content-Type"); text != "" {
		kind, params, err := mime.ParseMediaType(text)
		if err != nil || kind != "application/x-protobuf" {
			return "", refuse(http.StatusUnsupportedMediaType, "content type %q: use application/x-protobuf", text)
		}
		if params["proto"] != "" {
			message = params["proto"]
		}
	}
	if !s.accepts(message) {
		return "", refuse(http.StatusUnsupportedMediaType, "message %q is not accepted: send one of %v", message, s.conf.Messages)
	}
	return message, nil
}

// take decodes, stores and commits the request.
func (r *Receiver) take(s *state, message string, w http.ResponseWriter, req *http.Request) (written, error) {
	packed, err := readBody(s.conf, w, req)
	if err != nil {
		return written{}, err
	}
	release, err := r.acquire(req.Context())
	if err != nil {
		return written{}, err
	}
	defer release()
	body, err := unpack(s.conf, packed)
	if err != nil {
		return written{}, err
	}
	in, err := decode(s.conf, message, body)
	if err != nil {
		return written{}, refuse(http.StatusBadRequest, "%w", err)
	}
	if s.conf.Metadata {
		r.families.learn(in.families)
	}
	n, err := r.store(s, in.series)
	if err != nil {
		return written{}, fmt.Errorf("append: %w", err)
	}
	release() // a commit takes time, but no memory
	if err := s.cache.sink.Flush(req.Context()); err != nil {
		return written{}, fmt.Errorf("commit: %w", err)
	}
	if err := in.err(); err != nil {
		return n, refuse(http.StatusBadRequest, "%w", err)
	}
	return n, nil
}

// readBody returns the body as it was sent.
func readBody(cfg Config, w http.ResponseWriter, req *http.Request) ([]byte, error) {
	packed, err := io.ReadAll(http.MaxBytesReader(w, req.Body, int64(cfg.MaxBodyBytes)))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, refuse(http.StatusRequestEntityTooLarge, "a body of more than %d bytes", cfg.MaxBodyBytes)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "read body: %w", err)
	}
	return packed, nil
}

// unpack returns the body decompressed, unless it is too large for that.
func unpack(cfg Config, packed []byte) ([]byte, error) {
	size, err := snappy.DecodedLen(packed)
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "decompress body: %w", err)
	case size > cfg.MaxDecodedBytes:
		return nil, refuse(http.StatusRequestEntityTooLarge, "a body of %d bytes decompressed, more than %d", size, cfg.MaxDecodedBytes)
	}
	body, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "decompress body: %w", err)
	}
	return body, nil
}

// decode decodes a decompressed body.
func decode(cfg Config, message string, body []byte) (request, error) {
	limit := expansion * cfg.MaxDecodedBytes
	if message == MessageV2 {
		return decodeV2(body, limit, cfg.Typed)
	}
	return decodeV1(body, limit)
}
