package receive

import "fmt"

// show tells those who watch about the members of list: a line for each sample.
func (s *state) show(list []series, members []int) {
	feed := s.conf.Live
	if !feed.Watched() {
		return
	}
	for _, i := range members {
		item := &list[i]
		say := func(t int64, value any) {
			feed.Say(func() string { return fmt.Sprintf("sample: ts=%d, labels=%s, value=%v", t, item.labels, value) })
		}
		for _, p := range item.samples {
			say(p.t, p.v)
		}
		for _, p := range item.histograms {
			if p.H != nil {
				say(p.T, p.H)
			} else {
				say(p.T, p.FH)
			}
		}
	}
}
