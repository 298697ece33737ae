package push

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
	"github.com/grafana/pyroscope/api/model/labelset"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/queue"
	"github.com/divvy-collector/divvy/telemetry"
)

// Kinds of records in the log.
const (
	kindPush   = 1 // the body of a request to push.v1.PusherService
	kindIngest = 2 // a request to /ingest: see encodeIngest
)

// Fields of the messages of the push API, as push.proto numbers them.
const (
	fieldSeries      = 1 // PushRequest
	fieldLabels      = 1 // RawProfileSeries
	fieldSamples     = 2
	fieldLabelName   = 1 // LabelPair
	fieldLabelValue  = 2
	fieldRawProfile  = 1 // RawSample
	fieldSampleIdent = 2
)

// encode returns p as it is kept and sent. The record's lane is that of its
// series.
func encode(p profiles.Profile, external map[string]string) (queue.Record, error) {
	lset := finish(p.Labels, external)
	if err := check(lset); err != nil {
		return queue.Record{}, fmt.Errorf("encode profile %s: %w: %w", lset, profiles.ErrLabels, err)
	}
	at := p.At
	if at.IsZero() {
		at = time.Now()
	}
	r := queue.Record{
		Kind: kindPush, Lane: laneOf(lset), Lanes: lanes, Items: 1,
		MinTime: at.UnixMilli(), MaxTime: at.UnixMilli(),
	}
	if p.Ingest != nil {
		r.Kind, r.Payload = kindIngest, encodeIngest(p, lset)
		return r, nil
	}
	if p.ID == "" {
		p.ID = uuid.NewString()
	}
	r.Payload = encodePush(p, lset)
	return r, nil
}

// laneOf keeps a series in one lane.
func laneOf(lset telemetry.Labels) uint16 {
	return uint16(xxhash.Sum64String(lset.String()) % lanes)
}

// finish adds the external labels and takes out what is not for servers:
// labels that begin with two underscores, but for those that have a meaning
// there.
func finish(lset telemetry.Labels, external map[string]string) telemetry.Labels {
	b := labels.NewBuilder(lset)
	lset.Range(func(l labels.Label) {
		switch l.Name {
		case profiles.LabelName, profiles.LabelDelta, profiles.LabelSession:
		default:
			if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
				b.Del(l.Name)
			}
		}
	})
	for name, value := range external {
		b.Set(name, value)
	}
	return b.Labels()
}

// check reports labels that every server would refuse.
func check(lset telemetry.Labels) (err error) {
	if lset.IsEmpty() {
		return errors.New("it has no labels")
	}
	lset.Range(func(l labels.Label) {
		if err == nil {
			err = checkLabel(l.Name, l.Value)
		}
	})
	return err
}

// checkLabel reports what is wrong with a label.
func checkLabel(name, value string) error {
	err := labelset.ValidateLabelName(name)
	switch {
	case err != nil && !errors.Is(err, labelset.ErrLabelNameReserved):
		return fmt.Errorf("use a label: %w", err)
	case !utf8.ValidString(value):
		return fmt.Errorf("use label %s: its value %q is not UTF-8", name, value)
	}
	return nil
}

// encodePush returns a PushRequest with one series of one sample.
func encodePush(p profiles.Profile, lset telemetry.Labels) []byte {
	var pairs []byte
	lset.Range(func(l labels.Label) {
		pairs = protowire.AppendTag(pairs, fieldLabels, protowire.BytesType)
		pairs = protowire.AppendVarint(pairs, uint64(sizeOf(fieldLabelName, len(l.Name))+sizeOf(fieldLabelValue, len(l.Value))))
		pairs = appendString(pairs, fieldLabelName, l.Name)
		pairs = appendString(pairs, fieldLabelValue, l.Value)
	})
	sample := sizeOf(fieldRawProfile, len(p.Raw)) + sizeOf(fieldSampleIdent, len(p.ID))
	series := len(pairs) + sizeOf(fieldSamples, sample)

	b := make([]byte, 0, sizeOf(fieldSeries, series))
	b = protowire.AppendTag(b, fieldSeries, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(series))
	b = append(b, pairs...)
	b = protowire.AppendTag(b, fieldSamples, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(sample))
	b = protowire.AppendTag(b, fieldRawProfile, protowire.BytesType)
	b = protowire.AppendBytes(b, p.Raw)
	return appendString(b, fieldSampleIdent, p.ID)
}

// sizeOf returns the length of a field whose content has n bytes.
func sizeOf(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// encodeIngest returns a request to /ingest as
//
//	| length uvarint | query | n uvarint | n times: length uvarint, content type | body |
//
// with the query as it stands in a URL.
func encodeIngest(p profiles.Profile, lset telemetry.Labels) []byte {
	query := url.Values{}
	for name, values := range p.Ingest.Query {
		query[name] = values
	}
	query.Set("name", ingestName(lset))
	text := query.Encode()

	b := make([]byte, 0, len(text)+len(p.Raw)+64)
	b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	b = binary.AppendUvarint(b, uint64(len(p.Ingest.ContentType)))
	for _, t := range p.Ingest.ContentType {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return append(b, p.Raw...)
}

// ingestName writes labels as the parameter name has them: the name of the
// service first, the others in braces.
func ingestName(lset telemetry.Labels) string {
	set := lset.Map()
	if service := set[profiles.LabelService]; service != "" {
		set[profiles.LabelName] = service
	}
	return labelset.New(set).Normalized()
}

// An ingest is what encodeIngest wrote.
type ingest struct {
	query        string
	contentTypes []string
	body         []byte
}

var errCut = errors.New("it is cut short")

// decodeIngest is the inverse of encodeIngest. The body is a part of b.
func decodeIngest(b []byte) (in ingest, err error) {
	text := func() string {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			err, b = errCut, nil
			return ""
		}
		s := string(b[used : used+int(n)])
		b = b[used+int(n):]
		return s
	}
	in.query = text()
	count, used := binary.Uvarint(b)
	if used <= 0 || count > uint64(len(b)) {
		return in, errCut
	}
	b = b[used:]
	for range count {
		in.contentTypes = append(in.contentTypes, text())
	}
	in.body = b
	return in, err
}
