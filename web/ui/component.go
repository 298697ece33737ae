package ui

import (
	"net/http"

	"github.com/divvy-collector/divvy/pipeline"
)

// componentPage is everything about one component.
type componentPage struct {
	State  pipeline.ComponentState
	Health string
}

// component is the model of the page of one component.
func (u *UI) component(r *http.Request) (any, error) {
	id := r.PathValue("id")
	c, ok := u.cfg.Pipeline.Component(id)
	if !ok {
		return nil, refuse(http.StatusNotFound, "There is no component %q.", id)
	}
	return componentPage{State: c, Health: c.Health.State.String()}, nil
}
