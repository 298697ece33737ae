package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// showLive answers with what passes through a component from now on, a line for
// each datum, each line with the probability sampleProb (1 if it is not given).
// The stream ends when live debugging is turned off, and with the component.
//
//	400  the probability is not between 0 and 1
//	403  live debugging is off
//	404  there is no such component, or it has no live data
func (s *Server) showLive(w http.ResponseWriter, r *http.Request) {
	probability, err := probabilityOf(r.FormValue("sampleProb"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := r.PathValue("id")
	watcher, err := s.cfg.Pipeline.Watch(id, probability)
	if err != nil {
		status := http.StatusNotFound
		if errors.Is(err, pipeline.ErrLiveOff) {
			status = http.StatusForbidden
		}
		http.Error(w, err.Error(), status)
		return
	}
	defer watcher.Close()
	s.every(time.Second, w, r, func(out *stream) bool {
		lines, lost := watcher.Take()
		for _, line := range lines {
			out.item(status.HidePasswords(line))
		}
		if lost > 0 {
			out.item(fmt.Sprintf("(%d more came faster than they can be shown; ask for a share of them)", lost))
		}
		_, there := s.cfg.Pipeline.Component(id)
		return there && s.cfg.Pipeline.LiveShown()
	})
}

// probabilityOf reads a probability; "" is 1.
func probabilityOf(text string) (float64, error) {
	if text == "" {
		return 1, nil
	}
	p, err := strconv.ParseFloat(text, 64)
	if err != nil || !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("sampleProb %q is not a probability: use a number from 0 to 1", text)
	}
	return p, nil
}
