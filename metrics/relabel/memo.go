package relabel

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// A program is a list of rules, each with what its regular expression said of
// texts that it met lately. Matching is most of what a rule costs, and series
// have few different names and values in the labels that rules look at. It does
// what relabel.ProcessBuilder does. Any number of goroutines may use it.
type program []rule

// A rule is one of them. It is not changed.
type rule struct {
	*relabel.Config
	key  string // equal for equal rules
	memo *memo  // nil: the action matches nothing
}

// compile returns the program of rules. Those that were in before keep what
// they remember: after a reload most are the same, and all series come at once.
func compile(rules []*relabel.Config, before program) program {
	p := make(program, len(rules))
	for i, c := range rules {
		p[i] = rule{Config: c, key: key([]*relabel.Config{c})}
		switch c.Action {
		case relabel.Keep, relabel.Drop, relabel.Replace, relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep:
			p[i].memo = before.memo(p[i].key)
		}
	}
	return p
}

// memo returns the memo of the rule with this key, or a new one.
func (p program) memo(key string) *memo {
	for _, r := range p {
		if r.key == key {
			return r.memo
		}
	}
	return &memo{seed: maphash.MakeSeed()}
}

// same reports whether p and q do the same.
func (p program) same(q program) bool {
	for i := range min(len(p), len(q)) {
		if p[i].key != q[i].key {
			return false
		}
	}
	return len(p) == len(q)
}

// apply applies the rules and reports whether they keep the series.
func (p program) apply(lb *labels.Builder) bool {
	for _, r := range p {
		if !r.apply(lb) {
			return false
		}
	}
	return true
}

// apply applies one rule.
func (r rule) apply(lb *labels.Builder) (keep bool) {
	switch r.Action {
	case relabel.Keep:
		return r.source(lb).matches
	case relabel.Drop:
		return !r.source(lb).matches
	case relabel.Replace:
		if v := r.source(lb); v.matches {
			lb.Set(v.target, v.result) // an empty one deletes the label
		}
	case relabel.LabelMap:
		lb.Range(func(l labels.Label) {
			if v := r.ask([]byte(l.Name)); v.matches {
				lb.Set(v.result, l.Value)
			}
		})
	case relabel.LabelDrop, relabel.LabelKeep:
		lb.Range(func(l labels.Label) {
			if r.ask([]byte(l.Name)).matches == (r.Action == relabel.LabelDrop) {
				lb.Del(l.Name)
			}
		})
	default:
		return relabel.ProcessBuilder(lb, r.Config)
	}
	return true
}

// A verdict is what a rule makes of a text. It is not changed.
type verdict struct {
	text    string
	matches bool // and the target of a replacement is a valid name
	target  string
	result  string
}

// source returns the verdict on the values of the rule's source labels.
func (r rule) source(lb *labels.Builder) *verdict {
	var room [128]byte
	text := room[:0]
	for i, name := range r.SourceLabels {
		if i > 0 {
			text = append(text, r.Separator...)
		}
		text = append(text, lb.Get(string(name))...)
	}
	return r.ask(text)
}

// maxText is how long a text may be that is remembered, in bytes: a memo of
// labels that are whole documents would be large.
const maxText = 1 << 10

// ask returns the verdict on text.
func (r rule) ask(text []byte) *verdict {
	slot := r.memo.slot(text)
	if v := slot.Load(); v != nil && v.text == string(text) {
		return v
	}
	v := r.judge(string(text))
	if len(text) <= maxText {
		slot.Store(v)
	}
	return v
}

// judge does what ask remembers.
func (r rule) judge(text string) *verdict {
	v := &verdict{text: text}
	switch r.Action {
	case relabel.Replace:
		r.expand(v)
	case relabel.LabelMap:
		if v.matches = r.Regex.MatchString(text); v.matches {
			v.result = r.Regex.ReplaceAllString(text, r.Replacement)
		}
	default:
		v.matches = r.Regex.MatchString(text)
	}
	return v
}

// expand fills in what a replacement does. Prometheus does not check the
// target's name in the simplest case, so that goes for us, too.
func (r rule) expand(v *verdict) {
	if v.text == "" && r.Regex == relabel.DefaultRelabelConfig.Regex && !strings.Contains(r.TargetLabel+r.Replacement, "$") {
		v.matches, v.target, v.result = true, r.TargetLabel, r.Replacement
		return
	}
	at := r.Regex.FindStringSubmatchIndex(v.text)
	if at == nil {
		return
	}
	v.target = string(r.Regex.ExpandString(nil, r.TargetLabel, v.text, at))
	v.result = string(r.Regex.ExpandString(nil, r.Replacement, v.text, at))
	v.matches = r.NameValidationScheme.IsValidLabelName(v.target)
}

// A memo holds verdicts by the hash of their texts. A newer one takes the place
// of another with the same hash, so it does not grow.
type memo struct {
	seed  maphash.Seed
	slots [512]atomic.Pointer[verdict]
}

// slot returns where the verdict on text is, if there is one.
func (m *memo) slot(text []byte) *atomic.Pointer[verdict] {
	return &m.slots[maphash.Bytes(m.seed, text)%uint64(len(m.slots))]
}
