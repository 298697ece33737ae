package sim

import "time"

// An event is something that happens at a time.
type event struct {
	at     int64 // Unix ns
	serial int   // keeps events of one instant in order
	do     func()
}

func (e event) before(f event) bool {
	return e.at < f.at || e.at == f.at && e.serial < f.serial
}

// events is a heap with the earliest event on top. It does what container/heap
// does without an allocation per event.
type events []event

func (h *events) push(e event) {
	*h = append(*h, e)
	list := *h
	for i := len(list) - 1; i > 0; {
		parent := (i - 1) / 2
		if !list[i].before(list[parent]) {
			return
		}
		list[i], list[parent] = list[parent], list[i]
		i = parent
	}
}

// pop takes the earliest event of a heap that has one.
func (h *events) pop() event {
	list := *h
	top, last := list[0], len(list)-1
	list[0] = list[last]
	list[last] = event{}
	list = list[:last]
	*h = list
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && list[child+1].before(list[child]) {
			child++
		}
		if child >= last || !list[child].before(list[i]) {
			return top
		}
		list[i], list[child] = list[child], list[i]
		i = child
	}
}

// after does f in d.
func (w *World) after(d time.Duration, f func()) {
	w.serial++
	w.events.push(event{at: w.now.Add(max(d, 0)).UnixNano(), serial: w.serial, do: f})
}

// Run lets d pass.
func (w *World) Run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.events) > 0 && w.events[0].at <= end.UnixNano() {
		e := w.events.pop()
		w.now = time.Unix(0, e.at)
		e.do()
	}
	w.now = end
}
