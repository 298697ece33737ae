package gossip

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// BasePath is what the routes of Handler begin with.
	BasePath = "/api/v1/ckit/transport/"

	// ContentType is what requests to the routes must have.
	ContentType = "application/x.ckit"
)

// Handler returns the routes that peers send to, for a server that accepts
// HTTP/2, without TLS if Config.TLS is nil.
func (t *Transport) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+BasePath+"message", func(w http.ResponseWriter, r *http.Request) {
		t.serve(w, r, &t.messageDoor, t.serveMessage)
	})
	mux.HandleFunc("POST "+BasePath+"stream", func(w http.ResponseWriter, r *http.Request) {
		t.serve(w, r, &t.streamDoor, t.serveStream)
	})
	return mux
}

// serve refuses the request, or has next answer it within an epoch.
func (t *Transport) serve(w http.ResponseWriter, r *http.Request, d *door, next func(context.Context, http.ResponseWriter, *http.Request)) {
	refuse := func(status int, reason string) {
		t.meters.refused.WithLabelValues(reason).Inc()
		w.WriteHeader(status)
	}
	ep := t.enter()
	if ep == nil {
		refuse(http.StatusServiceUnavailable, refusedClosed)
		return
	}
	defer ep.work.Done()
	from := visitorOf(r.RemoteAddr)
	switch {
	case r.ProtoMajor != 2:
		refuse(http.StatusHTTPVersionNotSupported, refusedMalformed)
		return
	case r.Header.Get("Content-Type") != ContentType:
		refuse(http.StatusBadRequest, refusedMalformed)
		return
	}
	switch d.enter(from, time.Now()) {
	case tooMany:
		refuse(http.StatusTooManyRequests, refusedBusy)
		return
	case full:
		refuse(http.StatusServiceUnavailable, refusedBusy)
		return
	}
	defer d.leave(from)
	next(ep.ctx, w, r)
}

// serveMessage queues the packets of one request.
func (t *Transport) serveMessage(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	defer interrupt(ctx, w)()
	from, peer := addrOf(r.RemoteAddr), visitorOf(r.RemoteAddr).String()
	frames := newFrameReader(r.Body, t.cfg.MaxFrame)
	var held int64
	frames.claim = func(n int) bool {
		held += int64(n)
		return t.reading.Add(int64(n)) <= readingBytes
	}
	for {
		payload, err := frames.packet()
		t.reading.Add(-held)
		held = 0
		switch {
		case err == io.EOF:
			return // 200
		case ctx.Err() != nil, err == errMemory:
			t.meters.rxFailed.Inc()
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case err != nil:
			t.meters.rxFailed.Inc()
			t.refuseFrames(w, r, err)
			return
		case len(payload) > 0:
			t.pass(&t.in, peer, packet{buf: payload, from: from, at: time.Now()})
		}
	}
}

// refuseFrames answers a body that ended in the middle, or is none of ours.
func (t *Transport) refuseFrames(w http.ResponseWriter, r *http.Request, err error) {
	t.meters.refused.WithLabelValues(refusedMalformed).Inc()
	if errors.Is(err, errFrame) {
		t.cfg.Log.Warn("peer sent malformed packets", "peer", r.RemoteAddr, "err", err)
	}
	w.WriteHeader(http.StatusBadRequest)
}

// serveStream offers a stream to memberlist and lasts until it has ended.
func (t *Transport) serveStream(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return // the peer has gone
	}
	out := func(frame []byte) error {
		if _, err := w.Write(frame); err != nil {
			return err
		}
		return rc.Flush()
	}
	s := t.newStream(r.Body, out, addrOf(r.RemoteAddr))
	_ = s.SetDeadline(time.Now().Add(bodyTimeout)) // memberlist sets its own
	defer context.AfterFunc(ctx, func() { s.end(errGate) })()
	select {
	case t.streams <- s:
	case <-s.done:
	}
	<-s.done
	s.release(rc)
}

// release makes the reads and writes under way return, if any, and waits for
// them: the bodies may not be used when the request has been answered.
func (s *stream) release(rc *http.ResponseController) {
	_ = rc.SetReadDeadline(time.Unix(1, 0))
	if !s.writing.TryLock() {
		_ = rc.SetWriteDeadline(time.Unix(1, 0))
		s.writing.Lock()
	}
	defer s.writing.Unlock()
	s.reading.Lock()
	defer s.reading.Unlock()
}

// interrupt makes reads of a request's body fail when ctx ends, or when they
// take too long. The caller calls release before it returns.
func interrupt(ctx context.Context, w http.ResponseWriter) (release func()) {
	var mu sync.Mutex
	answered := false
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !answered {
			_ = rc.SetReadDeadline(time.Unix(1, 0))
		}
	})
	return func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		answered = true
	}
}
