package ckit

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-msgpack/v2/codec"
)

func TestStatementOnTheWire(t *testing.T) {
	f := func(s Statement, want string) {
		t.Helper()
		got := s.Encode()
		if string(got) != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
		if back, err := Decode(got); err != nil || back != s {
			t.Errorf("%v: decoded %v, %v", s, back, err)
		}
	}
	long := strings.Repeat("n", 40) // of the old raw type: no 8-bit length
	f(Statement{"a", Viewer, 0}, "\x12\x01\x01\x83\xa8NewState\x00\xa8NodeName\xa1a\xa4Time\x00")
	f(Statement{"a", Terminating, 300}, "\x12\x01\x01\x83\xa8NewState\x02\xa8NodeName\xa1a\xa4Time\xcd\x01\x2c")
	f(Statement{long, Participant, 1 << 40}, "\x12\x01\x01\x83\xa8NewState\x01\xa8NodeName\xda\x00\x28"+long+"\xa4Time\xcf\x00\x00\x01\x00\x00\x00\x00\x00")
}

func TestSnapshotOnTheWire(t *testing.T) {
	s := Snapshot{7, []Statement{{"a", Viewer, 0}, {"b", Participant, 6}}}
	want := "\x82\xabCurrentTime\x07\xaaNodeStates\x92" +
		"\x83\xa8NewState\x00\xa8NodeName\xa1a\xa4Time\x00" +
		"\x83\xa8NewState\x01\xa8NodeName\xa1b\xa4Time\x06"
	if got := string(s.Encode()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	back, err := DecodeSnapshot([]byte(want))
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// pack encodes what another version might send.
func pack(v any) string {
	var b []byte
	_ = codec.NewEncoderBytes(&b, &codec.MsgpackHandle{}).Encode(v)
	return string(b)
}

func TestDecode(t *testing.T) {
	f := func(in string, want error) {
		t.Helper()
		if s, err := Decode([]byte(in)); !errors.Is(err, want) || err != nil && s != (Statement{}) {
			t.Errorf("%q: %v, %v, want %v", in, s, err, want)
		}
	}
	type m = map[string]any
	head := "\x12\x01\x01"
	f("", ErrForeign)
	f("\x12\x01", ErrForeign)
	f("\x12\x01\x02\x80", ErrForeign)
	f("\xd1\x77\x01", ErrForeign)
	f(head, ErrMalformed)
	f(head+"\x83\xa8NodeName", ErrMalformed)
	f(head+pack(m{}), ErrMalformed)
	f(head+pack(m{"NodeName": "a", "NewState": 1, "Time": 2, "Zone": m{"far": []int{1}}}), nil)
	f(head+pack(m{"NodeName": "a", "NewState": int64(1), "Time": int64(2)}), nil)
	f(head+pack(m{"NodeName": "a"}), nil)
	f(head+pack(m{"NodeName": "a", "NewState": 3}), ErrMalformed)
	f(head+pack(m{"NodeName": "a", "NewState": -1}), ErrMalformed)
	f(head+pack(m{"NodeName": "a", "NewState": uint64(math.MaxUint64)}), ErrMalformed)
	f(head+pack(m{"NodeName": "a", "Time": uint64(math.MaxUint64)}), ErrMalformed)
	f(head+pack(m{"NodeName": "a", "Time": uint64(maxTime)}), nil)
	f(head+pack(m{"NodeName": m{}}), ErrMalformed)
	f(head+"\xdf\xff\xff\xff\xff", ErrMalformed)
	f(head+strings.Repeat("\x91", 100_000), ErrMalformed)
	f(head+"\x81\xa1x"+strings.Repeat("\x91", 100_000), ErrMalformed)
}

func TestDecodeSnapshot(t *testing.T) {
	f := func(in string, want error, nodes ...string) {
		t.Helper()
		s, err := DecodeSnapshot([]byte(in))
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
		var got []string
		for _, st := range s.Statements {
			got = append(got, st.Node)
		}
		if diff := cmp.Diff(nodes, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", in, diff)
		}
	}
	type m = map[string]any
	f("", ErrMalformed)
	f(pack(m{}), nil)
	f(pack(m{"CurrentTime": uint64(math.MaxUint64)}), ErrMalformed)
	f(pack(m{"CurrentTime": 1, "Future": "x", "NodeStates": []m{
		{"NodeName": "a"}, {"NodeName": ""}, {"NodeName": "b", "NewState": 9}, {"NodeName": "c", "Time": 3, "More": 1},
	}}), nil, "a", "c")
	f("\x81\xaaNodeStates\xdd\xff\xff\xff\xff", ErrMalformed)
}

func FuzzDecode(f *testing.F) {
	f.Add(Statement{"a", Participant, 7}.Encode())
	f.Add([]byte("\x12\x01\x01\x81\xa4Time\xcf\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrForeign) && !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v", err)
			}
			return
		}
		if back, err := Decode(s.Encode()); err != nil || back != s {
			t.Errorf("%v comes back as %v, %v", s, back, err)
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add(Snapshot{7, []Statement{{"a", Viewer, 0}, {"b", Participant, 6}}}.Encode())
	f.Add([]byte("\x81\xaaNodeStates\xdd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSnapshot(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v", err)
			}
			return
		}
		back, err := DecodeSnapshot(s.Encode())
		if diff := cmp.Diff(s, back); diff != "" || err != nil {
			t.Errorf("%v: (-want +got)\n%s", err, diff)
		}
		table, _ := NewStates("self")
		table.Join("a")
		before := table.Now()
		table.Merge(s)
		if table.Now() <= before && s.Time >= before {
			t.Errorf("clock at %d after a snapshot of %d", table.Now(), s.Time)
		}
	})
}
