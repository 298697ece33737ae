package kubernetes

import (
	"fmt"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/kube/operator"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// namedWrong is how many objects that are wrong the health names.
const namedWrong = 3

// Health tells what the API server refuses, and which objects are wrong: they
// harm themselves alone, and so do not make the component unhealthy.
func (f *follower) Health() component.Health {
	h := component.Health{State: component.Healthy, Message: "reading " + string(f.kind)}
	if err := f.engine.Health(); err != nil {
		h.State, h.Message = component.Unhealthy, err.Error()
	} else if f.engine.Synced() {
		h.Message = summary(string(f.kind), f.objects())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.State != f.health.State || h.Message != f.health.Message {
		h.Since = time.Now()
		f.health = h
	}
	return f.health
}

// summary says how many objects there are, and which are wrong.
func summary(kind string, objects []operator.ObjectStatus) string {
	var wrong []string
	for _, o := range objects {
		if o.Err != nil {
			wrong = append(wrong, o.Namespace+"/"+o.Name)
		}
	}
	text := fmt.Sprintf("following %d %s", len(objects), kind)
	switch n := len(wrong); {
	case n == 0:
		return text
	case n > namedWrong:
		return fmt.Sprintf("%s, %d of them wrong: %s and %d more", text, n, strings.Join(wrong[:namedWrong], ", "), n-namedWrong)
	default:
		return fmt.Sprintf("%s, %d of them wrong: %s", text, n, strings.Join(wrong, ", "))
	}
}
