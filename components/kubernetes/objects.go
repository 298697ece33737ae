package kubernetes

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/kube/operator"
)

// operatorDebug is what the component's page shows.
type operatorDebug struct {
	Objects []objectDebug `alloy:"crds,block,optional"`
	Targets []targetDebug `alloy:"targets,block,optional"`
}

// objectDebug is one object: what became of it, and where its scrape
// configurations can be read.
type objectDebug struct {
	Namespace     string    `alloy:"namespace,attr"`
	Name          string    `alloy:"name,attr"`
	LastReconcile time.Time `alloy:"last_reconcile,attr,optional"`
	Err           string    `alloy:"reconcile_error,attr,optional"`
	ConfigsURL    string    `alloy:"scrape_configs_url,attr,optional"`
}

// targetDebug is one target, and how its last scrape by this node went.
type targetDebug struct {
	Job      string            `alloy:"job,attr"`
	URL      string            `alloy:"url,attr"`
	Health   string            `alloy:"health,attr"`
	Labels   map[string]string `alloy:"labels,attr"`
	LastErr  string            `alloy:"last_error,attr,optional"`
	Last     time.Time         `alloy:"last_scrape,attr,optional"`
	Duration time.Duration     `alloy:"last_scrape_duration,attr,optional"`
}

// DebugInfo shows the objects, those that are wrong first, and the targets.
func (f *follower) DebugInfo() any {
	var d operatorDebug
	for _, o := range f.objects() {
		one := objectDebug{Namespace: o.Namespace, Name: o.Name, LastReconcile: o.LastReconcile}
		if o.Err != nil {
			one.Err = o.Err.Error()
		}
		if o.Jobs > 0 {
			one.ConfigsURL = f.env.HTTPPath + configsPath + o.Namespace + "/" + o.Name
		}
		d.Objects = append(d.Objects, one)
	}
	slices.SortStableFunc(d.Objects, func(a, b objectDebug) int { return wrongFirst(a.Err, b.Err) })
	for _, t := range f.pools.Targets() {
		d.Targets = append(d.Targets, targetDebug{
			Job: t.Job, URL: t.URL, Health: t.Health, Labels: t.Labels.Map(),
			LastErr: t.Err, Last: t.At, Duration: t.Duration,
		})
	}
	return d
}

// wrongFirst orders what has an error before what has none.
func wrongFirst(a, b string) int {
	switch {
	case (a == "") == (b == ""):
		return 0
	case a != "":
		return -1
	}
	return 1
}

// objects returns the status of every object, with what keeps its jobs from
// being scraped as they ask.
func (f *follower) objects() []operator.ObjectStatus {
	objects, errs := f.engine.Objects(), f.pools.Errs()
	if len(errs) == 0 {
		return objects
	}
	type name struct{ namespace, name string }
	wrong := map[name][]error{}
	for _, j := range f.jobs.latest() {
		if err := errs[j.Name]; err != nil {
			n := name{j.Namespace, j.Object}
			wrong[n] = append(wrong[n], err)
		}
	}
	for i, o := range objects {
		objects[i].Err = errors.Join(append([]error{o.Err}, wrong[name{o.Namespace, o.Name}]...)...)
	}
	return objects
}

// configsPath is where Handler shows what an object was translated to.
const configsPath = "scrapeConfig/"

// Handler shows the scrape configurations of an object as YAML, with secrets
// hidden, at /scrapeConfig/<namespace>/<name>.
func (f *follower) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+configsPath+"{namespace}/{name}", func(w http.ResponseWriter, r *http.Request) {
		text, err := f.engine.ScrapeConfig(r.PathValue("namespace"), r.PathValue("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(text)
	})
	return mux
}
