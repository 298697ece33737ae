package ui

import (
	"cmp"
	"net/http"
	"strconv"
)

// debugPage is the live data of a component. The script of the page asks for it.
type debugPage struct {
	ID, Module string
	Supported  bool   // its kind tells live data
	Enabled    bool   // the configuration turns live debugging on
	Stream     string // path of the data
	Filter     string // only lines with this text are shown
	Sample     int    // percent of the data that are asked for
}

// debug is the model of the live data of a component.
func (u *UI) debug(r *http.Request) (any, error) {
	c, ok := u.cfg.Pipeline.Component(r.PathValue("id"))
	if !ok {
		return nil, refuse(http.StatusNotFound, "There is no component %q.", r.PathValue("id"))
	}
	p := debugPage{ID: c.ID, Module: c.ModuleID, Stream: "/api/v0/web/debug/" + c.ID, Filter: r.FormValue("q")}
	p.Supported, p.Enabled = c.Data != "", u.cfg.Pipeline.LiveShown()
	sample, err := strconv.Atoi(cmp.Or(r.FormValue("sample"), "100"))
	if err != nil {
		sample = 100
	}
	p.Sample = min(max(sample, 0), 100)
	return p, nil
}
