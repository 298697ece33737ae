package ckit

import (
	"errors"
	"fmt"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// A State message, as memberlist hands it over as a user message, is
//
//	| 0x12 0x01 | type uint8 | body |
//
// with type 0x01 and the body a msgpack map {NodeName, NewState, Time}. The
// user state of a push/pull has no header: it is a msgpack map {CurrentTime,
// NodeStates}, the latter an array of such bodies. Strings are of msgpack's
// old raw type, integers unsigned, unknown fields are ignored.
const (
	magic0, magic1 = 0x12, 0x01
	typeState      = 0x01
	headerLen      = 3
)

// maxTime is beyond what a clock that ticks can reach. Later times are
// refused, so that nobody can put an end to everybody's clock.
const maxTime = Time(1) << 62

var (
	// ErrForeign is what a user message that is not a State message fails
	// with: one of other software, or of another version.
	ErrForeign = errors.New("not a state message")

	// ErrMalformed is what a State message or a snapshot fails with that
	// cannot be decoded or makes no sense.
	ErrMalformed = errors.New("malformed message")
)

// wireStatement and wireSnapshot have the fields' names on the wire.
type wireStatement struct {
	NodeName string
	NewState uint64
	Time     uint64
}

type wireSnapshot struct {
	CurrentTime uint64
	NodeStates  []wireStatement
}

// Encode returns s as a user message.
func (s Statement) Encode() []byte {
	return append([]byte{magic0, magic1, typeState}, marshal(s.wire())...)
}

// Decode decodes a user message. It fails with ErrForeign or ErrMalformed,
// and keeps nothing of b.
func Decode(b []byte) (Statement, error) {
	if len(b) < headerLen || b[0] != magic0 || b[1] != magic1 || b[2] != typeState {
		return Statement{}, ErrForeign
	}
	var w wireStatement
	if err := unmarshal(b[headerLen:], &w); err != nil {
		return Statement{}, err
	}
	s := w.statement()
	if !s.sane() {
		return Statement{}, fmt.Errorf("%w: node %q in state %d at %d", ErrMalformed, w.NodeName, w.NewState, w.Time)
	}
	return s, nil
}

// Encode returns s as the user state of a push/pull.
func (s Snapshot) Encode() []byte {
	w := wireSnapshot{CurrentTime: uint64(s.Time), NodeStates: make([]wireStatement, len(s.Statements))}
	for i, st := range s.Statements {
		w.NodeStates[i] = st.wire()
	}
	return marshal(w)
}

// DecodeSnapshot decodes the user state of a push/pull. Statements that make
// no sense, as of a state that we do not know, are left out. It fails with
// ErrMalformed, and keeps nothing of b.
func DecodeSnapshot(b []byte) (Snapshot, error) {
	var w wireSnapshot
	if err := unmarshal(b, &w); err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Time: Time(w.CurrentTime)}
	if s.Time > maxTime {
		return Snapshot{}, fmt.Errorf("%w: time %d", ErrMalformed, s.Time)
	}
	for _, ws := range w.NodeStates {
		if st := ws.statement(); st.sane() {
			s.Statements = append(s.Statements, st)
		}
	}
	return s, nil
}

// sane reports whether s can be true.
func (s Statement) sane() bool {
	return s.Node != "" && s.State >= Viewer && s.State <= Terminating && s.Time <= maxTime
}

func (s Statement) wire() wireStatement {
	return wireStatement{NodeName: s.Node, NewState: uint64(s.State), Time: uint64(s.Time)}
}

func (w wireStatement) statement() Statement {
	return Statement{Node: w.NodeName, State: State(min(w.NewState, uint64(Terminating)+1)), Time: Time(w.Time)}
}

// marshal encodes one of the two types above.
func marshal(v any) []byte {
	var b []byte
	if err := codec.NewEncoderBytes(&b, &codec.MsgpackHandle{}).Encode(v); err != nil {
		panic("BUG: encode " + err.Error())
	}
	return b
}

// unmarshal decodes one of the two types above.
func unmarshal(b []byte, v any) error {
	if err := codec.NewDecoderBytes(b, &codec.MsgpackHandle{}).Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
