package wire

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// maxTypes bounds how many values a sample has.
const maxTypes = 8

// A Differ makes deltas. It keeps the memory that it needs for the next one;
// one goroutine may use it at a time.
type Differ struct {
	body []byte // the profile that is being worked on

	types     []valueType
	counters  []int // which values of a sample are counters
	strings   [][]byte
	functions [][]byte
	locations []location
	samples   []sample
	functionN numbering
	locationN numbering
	time      int64 // of the profile, Unix ns

	stacks  map[uint64]int // place in sums, in stacks
	order   []uint64       // hashes of stacks
	sums    []int64        // counters of each stack, then what they add since the baseline
	past    []int64        // counters of each stack by the baseline
	emitted []bool

	usedLocation, usedFunction, usedString []bool

	out, scratch, packed []byte
}

type valueType struct{ name, unit uint64 }

type location struct {
	bytes []byte
	hash  uint64
}

type sample struct {
	bytes  []byte
	stack  int
	values [maxTypes]int64
}

// A Delta is what a Differ has made.
type Delta struct {
	Profile  []byte   // inflated; valid until the Differ is used again; nil: there was no baseline
	Baseline Baseline // for the next profile
	Counts   bool     // false: the profile has no counters, so its delta is itself
	Samples  int      // of the profile
	Kept     int      // of the delta
	Restart  bool     // the process began anew since the baseline
}

// Diff returns what the profile, inflated, adds to the counters since base was
// made: those of its values that are called one of counters. Other values, such
// as what is in use, stay. Stacks without any value are left out, and locations,
// functions and strings that nothing refers to. comment is added to the delta;
// empty: none. On an error nothing has changed, and base stays good.
func (d *Differ) Diff(profile []byte, base Baseline, counters []string, comment string) (Delta, error) {
	if err := refuseText(profile[:min(len(profile), headBytes)]); err != nil {
		return Delta{}, err
	}
	d.reset(profile)
	defer d.shrink()
	if err := d.read(counters); err != nil {
		return Delta{}, err
	}
	out := Delta{Samples: len(d.samples), Counts: len(d.counters) > 0}
	if !out.Counts {
		out.Kept = out.Samples
		return out, nil
	}
	if err := d.sum(); err != nil {
		return Delta{}, err
	}
	out.Baseline = newBaseline(len(d.counters), d.time, len(d.order))
	for i, hash := range d.order {
		out.Baseline = out.Baseline.add(hash, d.sums[i*len(d.counters):][:len(d.counters)])
	}
	if base.counters() != len(d.counters) {
		return out, nil
	}
	var err error
	if out.Restart, err = d.subtract(base); err != nil {
		return Delta{}, err
	}
	if out.Kept, err = d.emit(base, comment); err != nil {
		return Delta{}, err
	}
	out.Profile = d.out
	return out, nil
}

// reset forgets the profile before.
func (d *Differ) reset(profile []byte) {
	d.body, d.time = profile, 0
	d.types, d.counters = d.types[:0], d.counters[:0]
	d.strings, d.functions = d.strings[:0], d.functions[:0]
	d.locations, d.samples = d.locations[:0], d.samples[:0]
	d.functionN.reset()
	d.locationN.reset()
	if d.stacks == nil {
		d.stacks = map[uint64]int{}
	}
	clear(d.stacks)
	d.order, d.sums = d.order[:0], d.sums[:0]
	d.out = d.out[:0]
}

// keptItems is up to how many samples the memory for them is kept.
const keptItems = 1 << 15

// shrink forgets the profile's bytes, and gives up what an unusually large one
// has left.
func (d *Differ) shrink() {
	d.body = nil
	if max(cap(d.strings), cap(d.samples), cap(d.locations), cap(d.functions), len(d.order)) > keptItems {
		*d = Differ{out: d.out}
		return
	}
	clear(d.strings)
	clear(d.functions)
	clear(d.locations)
	clear(d.samples)
}

// read finds the parts of the profile.
func (d *Differ) read(counters []string) error {
	if err := each(d.body, d.see); err != nil {
		return err
	}
	if len(d.types) == 0 || len(d.strings) == 0 {
		return errNotProfile
	}
	for i, t := range d.types {
		if i == maxTypes {
			return fmt.Errorf("profile has more than %d values per sample", maxTypes)
		}
		if t.name < uint64(len(d.strings)) && slices.Contains(counters, string(d.strings[t.name])) {
			d.counters = append(d.counters, i)
		}
	}
	return nil
}

// see takes notice of a field.
func (d *Differ) see(f field) error {
	if max(len(d.strings), len(d.samples), len(d.locations), len(d.functions)) >= maxItems {
		return errItems
	}
	switch f.number {
	case fieldSampleType:
		t, err := readPair(f.bytes)
		d.types = append(d.types, valueType{name: t[0], unit: t[1]})
		return err
	case fieldSample:
		d.samples = append(d.samples, sample{bytes: f.bytes})
	case fieldLocation:
		p, err := readPair(f.bytes)
		d.locationN.set(p[0], len(d.locations))
		d.locations = append(d.locations, location{bytes: f.bytes})
		return err
	case fieldFunction:
		p, err := readPair(f.bytes)
		d.functionN.set(p[0], len(d.functions))
		d.functions = append(d.functions, f.bytes)
		return err
	case fieldString:
		d.strings = append(d.strings, f.bytes)
	case fieldTime:
		d.time = int64(f.value)
	}
	return nil
}

// readPair returns the fields 1 and 2 of a message, if they are numbers: type
// and unit, the number and the name of a function, or the number of a location.
func readPair(b []byte) (pair [2]uint64, err error) {
	err = each(b, func(f field) error {
		if f.number <= 2 && f.bytes == nil {
			pair[f.number-1] = f.value
		}
		return nil
	})
	return pair, err
}

// mix adds v to a hash. The result is the same on every machine.
func mix(h, v uint64) uint64 {
	h = bits.RotateLeft64(h, 25) ^ v
	h *= 0x9E3779B97F4A7C15
	return h ^ h>>29
}

// text returns a string of the profile; empty if there is none at that place.
func (d *Differ) text(place uint64) []byte {
	if place < uint64(len(d.strings)) {
		return d.strings[place]
	}
	return nil
}

// hashLocation returns what a location is: its address, and the functions and
// lines there, the inlined ones included.
func (d *Differ) hashLocation(b []byte) (h uint64, err error) {
	err = each(b, func(f field) error {
		switch {
		case f.number == 3:
			h = mix(h, f.value)
		case f.number == 4:
			line, err := readPair(f.bytes)
			if err != nil {
				return err
			}
			if at := d.functionN.find(line[0]); at >= 0 {
				name, err := readPair(d.functions[at])
				if err != nil {
					return err
				}
				h = mix(h, xxhash.Sum64(d.text(name[1])))
			}
			h = mix(h, line[1])
		}
		return nil
	})
	return h, err
}

// hashLabel returns what a label of a sample is.
func (d *Differ) hashLabel(b []byte) (h uint64, err error) {
	err = each(b, func(f field) error {
		v := f.value
		if f.number != 3 {
			v = xxhash.Sum64(d.text(v))
		}
		h = mix(mix(h, uint64(f.number)), v)
		return nil
	})
	return h, err
}

// sum adds up the counters of each stack. One stack may have several samples:
// those which differ in what the profile does not show.
func (d *Differ) sum() error {
	for i := range d.locations {
		var err error
		if d.locations[i].hash, err = d.hashLocation(d.locations[i].bytes); err != nil {
			return err
		}
	}
	for i := range d.samples {
		s := &d.samples[i]
		hash, err := d.readSample(s)
		if err != nil {
			return err
		}
		at, known := d.stacks[hash]
		if !known {
			at = len(d.order)
			d.stacks[hash] = at
			d.order = append(d.order, hash)
			for range d.counters {
				d.sums = append(d.sums, 0)
			}
		}
		s.stack = at
		for j, value := range d.counters {
			d.sums[at*len(d.counters)+j] += s.values[value]
		}
	}
	return nil
}

// readSample reads the values of a sample and returns what its stack is.
func (d *Differ) readSample(s *sample) (hash uint64, err error) {
	n := 0
	err = each(s.bytes, func(f field) error {
		switch f.number {
		case 1:
			return numbers(f, func(v uint64) {
				at, h := d.locationN.find(v), v
				if at >= 0 {
					h = d.locations[at].hash
				}
				hash = mix(hash, h)
			})
		case 2:
			return numbers(f, func(v uint64) {
				if n < maxTypes {
					s.values[n] = int64(v)
				}
				n++
			})
		case 3:
			h, err := d.hashLabel(f.bytes)
			hash = mix(hash, h)
			return err
		}
		return nil
	})
	if err == nil && n != len(d.types) {
		err = fmt.Errorf("profile has a sample with %d values instead of %d", n, len(d.types))
	}
	return hash, err
}

// subtract takes the baseline's counters from the sums, unless one of them has
// fallen: then the process began anew.
func (d *Differ) subtract(base Baseline) (restart bool, err error) {
	n := len(d.counters)
	d.past = append(d.past[:0], make([]int64, len(d.sums))...)
	err = base.each(func(hash uint64, counters []int64) {
		at, known := d.stacks[hash]
		if !known {
			return
		}
		for j, v := range counters {
			d.past[at*n+j] = v
			restart = restart || v > d.sums[at*n+j]
		}
	})
	if err != nil || restart {
		return restart, err
	}
	for i, v := range d.past {
		d.sums[i] -= v
	}
	return false, nil
}
