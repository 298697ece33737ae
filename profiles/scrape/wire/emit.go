package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// emit writes the delta to out, field by field in the order of the profile, and
// returns how many samples it has.
func (d *Differ) emit(base Baseline, comment string) (kept int, err error) {
	if err := d.mark(); err != nil {
		return 0, err
	}
	at := struct{ sample, location, function, text int }{}
	err = each(d.body, func(f field) error {
		keep := true
		switch f.number {
		case fieldSample:
			s := &d.samples[at.sample]
			at.sample++
			if d.isKept(s) {
				kept++
				return d.emitSample(s)
			}
			keep = false
		case fieldLocation:
			keep = d.usedLocation[at.location]
			at.location++
		case fieldFunction:
			keep = d.usedFunction[at.function]
			at.function++
		case fieldString:
			if !d.usedString[at.text] {
				d.out = protowire.AppendTag(d.out, fieldString, protowire.BytesType)
				d.out, keep = append(d.out, 0), false // the others keep their places
			}
			at.text++
		case fieldDuration:
			keep = false
		}
		if keep {
			d.out = append(d.out, f.raw...)
		}
		return nil
	})
	d.emitEnd(base, comment)
	return kept, err
}

// emitEnd writes what the delta has and the profile has not.
func (d *Differ) emitEnd(base Baseline, comment string) {
	if took := d.time - base.time(); d.time > 0 && base.time() > 0 && took > 0 {
		d.out = protowire.AppendTag(d.out, fieldDuration, protowire.VarintType)
		d.out = protowire.AppendVarint(d.out, uint64(took))
	}
	if comment != "" {
		d.out = protowire.AppendTag(d.out, fieldString, protowire.BytesType)
		d.out = protowire.AppendString(d.out, comment)
		d.out = protowire.AppendTag(d.out, fieldComment, protowire.VarintType)
		d.out = protowire.AppendVarint(d.out, uint64(len(d.strings)))
	}
}

// mark puts the deltas into the samples and finds out what is still used.
func (d *Differ) mark() error {
	d.emitted = cleared(d.emitted, len(d.order))
	d.usedLocation = cleared(d.usedLocation, len(d.locations))
	d.usedFunction = cleared(d.usedFunction, len(d.functions))
	d.usedString = cleared(d.usedString, len(d.strings))
	for i := range d.samples {
		d.apply(&d.samples[i])
		if !d.isKept(&d.samples[i]) {
			continue
		}
		if err := d.useSample(d.samples[i].bytes); err != nil {
			return err
		}
	}
	for i, used := range d.usedLocation {
		if !used {
			continue
		}
		if err := d.useLocation(d.locations[i].bytes); err != nil {
			return err
		}
	}
	for i, used := range d.usedFunction {
		if !used {
			continue
		}
		if err := d.useTexts(d.functions[i], 2, 3, 4); err != nil {
			return err
		}
	}
	return each(d.body, d.useOuter)
}

// cleared returns b with n elements, all false.
func cleared(b []bool, n int) []bool {
	if cap(b) < n {
		return make([]bool, n)
	}
	b = b[:n]
	clear(b)
	return b
}

// apply replaces the counters of a sample by what they add; of several samples
// of one stack the first one has it all.
func (d *Differ) apply(s *sample) {
	n := len(d.counters)
	for j, value := range d.counters {
		s.values[value] = 0
		if !d.emitted[s.stack] {
			s.values[value] = d.sums[s.stack*n+j]
		}
	}
	d.emitted[s.stack] = true
}

// isKept reports whether a sample has any value.
func (d *Differ) isKept(s *sample) bool {
	for _, v := range s.values[:len(d.types)] {
		if v != 0 {
			return true
		}
	}
	return false
}

// useSample marks what a sample refers to.
func (d *Differ) useSample(b []byte) error {
	return each(b, func(f field) error {
		switch f.number {
		case 1:
			return numbers(f, func(v uint64) {
				if at := d.locationN.find(v); at >= 0 {
					d.usedLocation[at] = true
				}
			})
		case 3:
			return d.useTexts(f.bytes, 1, 2, 4)
		}
		return nil
	})
}

// useLocation marks the functions of a location.
func (d *Differ) useLocation(b []byte) error {
	return each(b, func(f field) error {
		if f.number != 4 {
			return nil
		}
		line, err := readPair(f.bytes)
		if at := d.functionN.find(line[0]); at >= 0 {
			d.usedFunction[at] = true
		}
		return err
	})
}

// useTexts marks the strings that fields of a message name by their places.
func (d *Differ) useTexts(b []byte, fields ...int32) error {
	return each(b, func(f field) error {
		for _, n := range fields {
			if int32(f.number) == n {
				d.useText(f.value)
			}
		}
		return nil
	})
}

func (d *Differ) useText(place uint64) {
	if place < uint64(len(d.usedString)) {
		d.usedString[place] = true
	}
}

// useOuter marks the strings of the fields that are kept as they are.
func (d *Differ) useOuter(f field) error {
	switch f.number {
	case fieldSampleType, fieldPeriodType:
		return d.useTexts(f.bytes, 1, 2)
	case fieldMapping:
		return d.useTexts(f.bytes, 5, 6)
	case fieldDropFrames, fieldKeepFrames, fieldDefaultSample, fieldDocURL:
		d.useText(f.value)
	case fieldComment:
		return numbers(f, d.useText)
	}
	return nil
}

// emitSample writes a sample with its new values.
func (d *Differ) emitSample(s *sample) error {
	d.packed = d.packed[:0]
	for _, v := range s.values[:len(d.types)] {
		d.packed = protowire.AppendVarint(d.packed, uint64(v))
	}
	d.scratch = d.scratch[:0]
	err := each(s.bytes, func(f field) error {
		if f.number != 2 {
			d.scratch = append(d.scratch, f.raw...)
		}
		return nil
	})
	d.scratch = protowire.AppendTag(d.scratch, 2, protowire.BytesType)
	d.scratch = protowire.AppendBytes(d.scratch, d.packed)
	d.out = protowire.AppendTag(d.out, fieldSample, protowire.BytesType)
	d.out = protowire.AppendBytes(d.out, d.scratch)
	return err
}
