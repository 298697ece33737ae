package roster

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// What nodes tell each other is encoded in the protobuf wire format, so that a
// node skips fields that it does not know and a newer version may add some:
//
//	Entry  = 1 name, 2 addr, 3 instance (fixed64), 4 seq, 5 from, 6 until,
//	         7 down, 8 down at, 9 version, 10 zone, 11 config (fixed64),
//	         12 former …: from, duration
//	Pulse  = 1 instance (fixed64), 2 clock, 3 digest (fixed64)
//	Letter = 1 kind, 2 sender, 3 sender's instance (fixed64), 4 entries …,
//	         5 suspect, 6 suspect's instance (fixed64), 7 reachable,
//	         8 clock, 9 digest (fixed64), 10 component, 11 note
//
// Times are Unix milliseconds as varints. Metadata and pulses travel inside
// messages that other software reads too; they begin with mark, so that a
// stranger's bytes are not taken for ours.
var mark = [2]byte{0xD1, 0x76}

// ErrStranger is returned for bytes that are not ours.
var ErrStranger = errors.New("not written by divvy")

// MaxMetadata is the most that gossip carries as the metadata of a node, bytes.
const MaxMetadata = 512

// Longer texts are cut, to so many bytes.
const (
	MaxName = 200 // of a node, and of an address
	MaxZone = 150 // and of a version
)

// EncodeMetadata returns e as the metadata of its node in the gossip: without
// name and address, which the gossip carries itself.
func EncodeMetadata(e Entry) []byte {
	e.Name, e.Addr = "", ""
	return appendEntry(append([]byte(nil), mark[:]...), e)
}

// DecodeMetadata returns the entry of the node name at addr. It returns
// ErrStranger if the node is not one of ours.
func DecodeMetadata(b []byte, name, addr string) (Entry, error) {
	if len(b) < len(mark) || [2]byte(b) != mark {
		return Entry{}, ErrStranger
	}
	e, err := decodeEntry(b[len(mark):])
	e.Name, e.Addr = name, addr
	return e, err
}

func appendEntry(b []byte, e Entry) []byte {
	b = appendText(b, 1, e.Name)
	b = appendText(b, 2, e.Addr)
	b = appendFixed(b, 3, uint64(e.Instance))
	b = appendNumber(b, 4, uint64(e.Seq))
	b = appendTime(b, 5, e.From)
	b = appendTime(b, 6, e.Until)
	b = appendFlag(b, 7, e.Down)
	b = appendTime(b, 8, e.DownAt)
	b = appendText(b, 9, e.Version[:min(len(e.Version), MaxZone)])
	b = appendText(b, 10, e.Zone[:min(len(e.Zone), MaxZone)])
	b = appendFixed(b, 11, e.Config)
	for _, w := range e.Former {
		if !w.From.IsZero() {
			span := protowire.AppendVarint(nil, uint64(w.From.UnixMilli()))
			span = protowire.AppendVarint(span, uint64(w.Until.Sub(w.From).Milliseconds()))
			b = protowire.AppendBytes(protowire.AppendTag(b, 12, protowire.BytesType), span)
		}
	}
	return b
}

func decodeEntry(b []byte) (Entry, error) {
	var e Entry
	former := 0
	err := eachField(b, func(n protowire.Number, v field) {
		switch n {
		case 1:
			e.Name = v.text()
		case 2:
			e.Addr = v.text()
		case 3:
			e.Instance = Instance(v.number)
		case 4:
			e.Seq = uint32(v.number)
		case 5:
			e.From = v.time()
		case 6:
			e.Until = v.time()
		case 7:
			e.Down = v.number != 0
		case 8:
			e.DownAt = v.time()
		case 9:
			e.Version = v.text()
		case 10:
			e.Zone = v.text()
		case 11:
			e.Config = v.number
		case 12:
			if w, ok := v.window(); ok && former < maxFormer {
				e.Former[former] = w
				former++
			}
		}
	})
	if err == nil && e.Instance == 0 {
		err = errors.New("entry has no instance")
	}
	return e, err
}

// EncodePulse returns p as the payload of an answer to a ping.
func EncodePulse(p Pulse) []byte {
	b := appendFixed(append([]byte(nil), mark[:]...), 1, uint64(p.Instance))
	b = appendTime(b, 2, p.Clock)
	return appendFixed(b, 3, p.Digest)
}

// DecodePulse is the inverse of EncodePulse.
func DecodePulse(b []byte) (Pulse, error) {
	if len(b) < len(mark) || [2]byte(b) != mark {
		return Pulse{}, ErrStranger
	}
	var p Pulse
	err := eachField(b[len(mark):], func(n protowire.Number, v field) {
		switch n {
		case 1:
			p.Instance = Instance(v.number)
		case 2:
			p.Clock = v.time()
		case 3:
			p.Digest = v.number
		}
	})
	return p, err
}

// A Letter is a direct message from one node to another, and its answer.
type Letter struct {
	Kind     Deed // Tell, Sync, Ask, Note or Has
	Sender   string
	Instance Instance // of Sender

	Entries []Entry // Tell and Sync: what the sender knows; answers have it too

	Suspect         string // Ask: can you reach this node?
	SuspectInstance Instance
	Reachable       bool // the answer to Ask, and yes to Has

	Clock  time.Time // of the sender, and
	Digest uint64    // its digest, as in a Pulse; in answers

	Component string // Note and Has: the ID of a component on either node
	Note      []byte // and what the one tells the other
}

// Pulse returns what the sender says of itself.
func (l *Letter) Pulse() Pulse {
	return Pulse{Instance: l.Instance, Clock: l.Clock, Digest: l.Digest}
}

// EncodeLetter returns l in bytes.
func EncodeLetter(l Letter) []byte {
	b := appendNumber(nil, 1, uint64(l.Kind))
	b = appendText(b, 2, l.Sender)
	b = appendFixed(b, 3, uint64(l.Instance))
	for _, e := range l.Entries {
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendBytes(b, appendEntry(nil, e))
	}
	b = appendText(b, 5, l.Suspect)
	b = appendFixed(b, 6, uint64(l.SuspectInstance))
	b = appendFlag(b, 7, l.Reachable)
	b = appendTime(b, 8, l.Clock)
	b = appendFixed(b, 9, l.Digest)
	if l.Kind == Note || l.Kind == Has {
		b = protowire.AppendString(protowire.AppendTag(b, 10, protowire.BytesType), l.Component)
		b = protowire.AppendBytes(protowire.AppendTag(b, 11, protowire.BytesType), l.Note)
	}
	return b
}

// DecodeLetter is the inverse of EncodeLetter.
func DecodeLetter(b []byte) (Letter, error) {
	var l Letter
	var bad error
	err := eachField(b, func(n protowire.Number, v field) {
		switch n {
		case 1:
			l.Kind = Deed(v.number)
		case 2:
			l.Sender = v.text()
		case 3:
			l.Instance = Instance(v.number)
		case 4:
			e, err := decodeEntry(v.bytes)
			if err == nil && e.Name == "" {
				err = errors.New("entry has no name")
			}
			bad = errors.Join(bad, err)
			l.Entries = append(l.Entries, e)
		case 5:
			l.Suspect = v.text()
		case 6:
			l.SuspectInstance = Instance(v.number)
		case 7:
			l.Reachable = v.number != 0
		case 8:
			l.Clock = v.time()
		case 9:
			l.Digest = v.number
		case 10:
			l.Component = string(v.bytes)
		case 11:
			l.Note = v.bytes
		}
	})
	return l, errors.Join(err, bad)
}

// A field is the value of one field: a number or bytes.
type field struct {
	number uint64
	bytes  []byte
}

func (f field) text() string    { return string(f.bytes[:min(len(f.bytes), MaxName)]) }
func (f field) time() time.Time { return time.UnixMilli(int64(f.number)) }

// window reads two varints: a time, and a duration in milliseconds. One that
// says something impossible is left out.
func (f field) window() (Window, bool) {
	from, size := protowire.ConsumeVarint(f.bytes)
	if size < 0 || from > maxMillis {
		return Window{}, false
	}
	took, size := protowire.ConsumeVarint(f.bytes[size:])
	if size < 0 || took > maxMillis {
		return Window{}, false
	}
	return Window{From: time.UnixMilli(int64(from)), Until: time.UnixMilli(int64(from + took))}, true
}

// maxMillis is the greatest time or duration of a window: some 140 years, in
// milliseconds. A time.Duration holds twice as much.
const maxMillis = 1 << 42

// eachField calls f for every field of b of a known wire type.
func eachField(b []byte, f func(protowire.Number, field)) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("read tag: %w", protowire.ParseError(size))
		}
		b = b[size:]
		var v field
		switch typ {
		case protowire.VarintType:
			v.number, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v.number, size = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v.bytes, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, typ, b)
		}
		if size < 0 {
			return fmt.Errorf("read field %d: %w", n, protowire.ParseError(size))
		}
		b = b[size:]
		f(n, v)
	}
	return nil
}

func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s[:min(len(s), MaxName)])
}

func appendNumber(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendFixed(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), v)
}

func appendFlag(b []byte, n protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendNumber(b, n, 1)
}

func appendTime(b []byte, n protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendNumber(b, n, uint64(t.UnixMilli()))
}
