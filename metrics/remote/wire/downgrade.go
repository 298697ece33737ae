package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Downgraded returns a 2.0 load as one of 1.0, for a receiver that knows no
// better. Start timestamps and metadata of series are lost in that.
func (l Load) Downgraded() (Load, error) {
	d, err := l.decoded()
	if err != nil {
		return l, err
	}
	strs, err := cutSymbols(d.sym)
	if err != nil {
		return l, err
	}
	var series [][]byte
	for _, s := range d.Series {
		out, err := downgradeSeries(s, strs)
		if err != nil {
			return l, err
		}
		series = append(series, out)
	}
	d.Kind, d.sym = KindWrite1, nil
	return d.ofSeries(series), nil
}

// cutSymbols returns the strings of encoded symbols.
func cutSymbols(sym []byte) (strs []string, err error) {
	for len(sym) > 0 {
		_, _, head := protowire.ConsumeTag(sym)
		if head < 0 {
			return nil, protowire.ParseError(head)
		}
		s, n := protowire.ConsumeString(sym[head:])
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		strs = append(strs, s)
		sym = sym[head+n:]
	}
	return strs, nil
}

// downgradeSeries encodes one 2.0 TimeSeries as one of 1.0.
func downgradeSeries(s []byte, strs []string) (out []byte, err error) {
	out, at := begin(nil, tag(1, wireBytes), 2)
	eachField(s, func(num protowire.Number, value []byte) {
		switch num {
		case 1:
			out, err = appendLabels1(out, value, strs)
		case 2:
			out = appendMessage(out, 2, without(value, 3))
		case 3:
			out = appendMessage(out, 4, without(value, 17))
		case 4:
			out = appendMessage(out, 3, downgradeExemplar(value, strs))
		}
	})
	return end(out, at, 2), err
}

// appendLabels1 appends a packed list of references as Label messages.
func appendLabels1(out, refs []byte, strs []string) ([]byte, error) {
	var pair [2]string
	for i := 0; len(refs) > 0; i++ {
		ref, n := protowire.ConsumeVarint(refs)
		if n < 0 || ref >= uint64(len(strs)) {
			return out, fmt.Errorf("decode record: symbol %d of %d", ref, len(strs))
		}
		refs = refs[n:]
		if pair[i%2] = strs[ref]; i%2 == 1 {
			var at int
			out, at = begin(out, tag(1, wireBytes), 1)
			out = appendString(appendString(out, 1, pair[0]), 2, pair[1])
			out = end(out, at, 1)
		}
	}
	return out, nil
}

// appendMessage appends msg as a field.
func appendMessage(out []byte, field byte, msg []byte) []byte {
	out = appendVarint(append(out, tag(field, wireBytes)), uint64(len(msg)))
	return append(out, msg...)
}

// without returns msg without one of its fields.
func without(msg []byte, field protowire.Number) []byte {
	var out []byte
	for len(msg) > 0 {
		num, _, n := protowire.ConsumeField(msg)
		if n < 0 {
			return out
		}
		if num != field {
			out = append(out, msg[:n]...)
		}
		msg = msg[n:]
	}
	return out
}

// downgradeExemplar encodes a 2.0 exemplar as one of 1.0: the labels differ.
func downgradeExemplar(msg []byte, strs []string) []byte {
	var out []byte
	for rest := msg; len(rest) > 0; {
		num, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			break
		}
		if num == 1 {
			_, _, head := protowire.ConsumeTag(rest)
			refs, _ := protowire.ConsumeBytes(rest[head:n])
			out, _ = appendLabels1(out, refs, strs)
		} else {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	return out
}

// LabelsOf returns the labels of an encoded series for a log line.
func (l Load) LabelsOf(series []byte) string {
	strs, _ := cutSymbols(l.sym)
	var b []byte
	add := func(name, value string) {
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%s=%q", name, value)
	}
	eachField(series, func(num protowire.Number, value []byte) {
		if num != 1 {
			return
		}
		if l.Kind == KindWrite2 {
			value, _ = appendLabels1(nil, value, strs)
		} else {
			value = appendMessage(nil, 1, value)
		}
		for len(value) > 0 {
			_, _, n := protowire.ConsumeField(value)
			if n < 0 {
				return
			}
			var pair [2]string
			eachField(value[:n], func(num protowire.Number, s []byte) { pair[(num-1)&1] = string(s) })
			add(pair[0], pair[1])
			value = value[n:]
		}
	})
	return "{" + string(b) + "}"
}
