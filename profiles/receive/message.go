package receive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/telemetry"
)

// pushRequest is the message push.v1.PushRequest, as far as it is read. The tags
// are those of its JSON.
type pushRequest struct {
	Series []series `json:"series"`
}

type series struct {
	Labels  []label  `json:"labels"`
	Samples []sample `json:"samples"`
}

type label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type sample struct {
	RawProfile []byte `json:"rawProfile"`
	ID         string `json:"ID"`
}

// pushResponse is the message push.v1.PushResponse, which is empty.
type pushResponse struct{}

// labels returns the labels of the series; of those with one name the last
// counts.
func (s series) labels() telemetry.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, l := range s.Labels {
		b.Set(l.Name, l.Value)
	}
	return b.Labels()
}

// protoCodec reads requests in protobuf, as package connect asks. The message
// has four levels; each is a func of its fields.
type protoCodec struct{}

// Name is that in the content type.
func (protoCodec) Name() string { return "proto" }

// Marshal returns the empty message, and the only one that is sent.
func (protoCodec) Marshal(any) ([]byte, error) { return []byte{}, nil }

// Unmarshal reads a *pushRequest, which keeps nothing of b.
func (protoCodec) Unmarshal(b []byte, message any) error {
	req, ok := message.(*pushRequest)
	if !ok {
		return nil // an empty message
	}
	return fields(b, func(n protowire.Number, v []byte) error {
		if n != 1 {
			return nil
		}
		s, err := decodeSeries(v)
		req.Series = append(req.Series, s)
		return err
	})
}

func decodeSeries(b []byte) (s series, err error) {
	err = fields(b, func(n protowire.Number, v []byte) error {
		switch n {
		case 1:
			var l label
			err := fields(v, l.set)
			s.Labels = append(s.Labels, l)
			return err
		case 2:
			var one sample
			err := fields(v, one.set)
			s.Samples = append(s.Samples, one)
			return err
		}
		return nil
	})
	return s, err
}

func (l *label) set(n protowire.Number, v []byte) error {
	switch n {
	case 1:
		l.Name = string(v)
	case 2:
		l.Value = string(v)
	}
	return nil
}

func (s *sample) set(n protowire.Number, v []byte) error {
	switch n {
	case 1:
		s.RawProfile = bytes.Clone(v) // v belongs to package connect
	case 2:
		s.ID = string(v)
	}
	return nil
}

// fields calls f with each field of a message that has a length. Others are
// stepped over.
func fields(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("read a field: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return fmt.Errorf("read field %d: %w", number, protowire.ParseError(n))
			}
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return fmt.Errorf("read field %d: %w", number, protowire.ParseError(n))
		}
		if err := f(number, v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// jsonCodec reads requests in JSON, as people write them for curl.
type jsonCodec struct{}

// Name is that in the content type.
func (jsonCodec) Name() string { return "json" }

// Marshal returns the empty message, and the only one that is sent.
func (jsonCodec) Marshal(any) ([]byte, error) { return []byte("{}"), nil }

// Unmarshal reads a *pushRequest.
func (jsonCodec) Unmarshal(b []byte, message any) error {
	if len(b) == 0 {
		return errors.New("zero-length payload is not a valid JSON object")
	}
	return json.Unmarshal(b, message)
}
