package report

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A book is which keys of a component some nodes know, all the same ones, and
// who of the cluster is to serve each by their View.
type book struct {
	nodes     []string
	clustered bool
	keys      []owner.Key // ascending
	owners    []uint16    // of each key: index into names
	names     []string    // the first is "": nobody
}

// owner returns who is to serve the i-th key.
func (b *book) owner(i int) string { return b.names[b.owners[i]] }

// newBook writes the book of a set as self sees it at now. Each key is asked
// about at its own next slot.
func newBook(s *set, view owner.View, self string, now time.Time) book {
	b := book{nodes: []string{self}, names: []string{""}}
	if s == nil {
		return b
	}
	b.clustered = s.clustered
	b.keys, b.owners = make([]owner.Key, len(s.targets)), make([]uint16, len(s.targets))
	at := map[string]uint16{"": 0}
	for i := range s.targets {
		t := &s.targets[i]
		name := ""
		if m, ok := view.Owner(t.Key, nextSlot(t, now)); ok {
			name = m.Name
		}
		n, ok := at[name]
		if !ok {
			n = uint16(len(b.names))
			at[name] = n
			b.names = append(b.names, name)
		}
		b.keys[i], b.owners[i] = t.Key, n
	}
	return b
}

// bookJSON is a book on its way. Keys are 8 bytes each, owners 2, big-endian.
type bookJSON struct {
	Clustered bool     `json:"clustered"`
	Keys      []byte   `json:"keys"`
	Owners    []byte   `json:"owners"`
	Names     []string `json:"names"`
}

// MarshalJSON encodes the book without its nodes, whom the reader knows.
func (b book) MarshalJSON() ([]byte, error) {
	out := bookJSON{Clustered: b.clustered, Names: b.names, Keys: appendKeys(nil, b.keys)}
	for _, n := range b.owners {
		out.Owners = binary.BigEndian.AppendUint16(out.Owners, n)
	}
	return json.Marshal(out)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (b *book) UnmarshalJSON(text []byte) error {
	var in bookJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	keys, err := decodeKeys(in.Keys)
	if err != nil {
		return err
	}
	if len(in.Owners) != 2*len(keys) {
		return errors.New("book has not one owner for each key")
	}
	if len(in.Names) == 0 || in.Names[0] != "" {
		return errors.New("book has no name for nobody")
	}
	owners := make([]uint16, len(keys))
	for i := range owners {
		owners[i] = binary.BigEndian.Uint16(in.Owners[2*i:])
		if int(owners[i]) >= len(in.Names) {
			return fmt.Errorf("book has no owner number %d", owners[i])
		}
	}
	*b = book{clustered: in.Clustered, keys: keys, owners: owners, names: in.Names}
	return nil
}

// appendKeys appends keys, 8 bytes each.
func appendKeys(b []byte, keys []owner.Key) []byte {
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, uint64(k))
	}
	return b
}

// decodeKeys is the inverse of appendKeys for keys that ascend.
func decodeKeys(b []byte) ([]owner.Key, error) {
	if len(b)%8 != 0 {
		return nil, errors.New("keys are cut off")
	}
	keys := make([]owner.Key, len(b)/8)
	for i := range keys {
		keys[i] = owner.Key(binary.BigEndian.Uint64(b[8*i:]))
		if i > 0 && keys[i] <= keys[i-1] {
			return nil, errors.New("keys do not ascend")
		}
	}
	return keys, nil
}

// A mark is what a target is known by: the labels that make up its key.
type mark struct {
	Key    owner.Key        `json:"key,string"`
	URL    string           `json:"url"`
	Labels telemetry.Labels `json:"labels"`
}

// maxMarks is how many targets of one node are looked at to find out in what
// they differ from other nodes'. Of more, the first by URL are: the same ones
// on all nodes.
const maxMarks = 20_000

// marks returns the marks of those targets of s that wanted has, by URL.
func (r *Reporter) marks(s *set, wanted []owner.Key) []mark {
	list := []mark{}
	if s == nil {
		return list
	}
	for i := range s.targets {
		t := &s.targets[i]
		if _, ok := slices.BinarySearch(wanted, t.Key); ok {
			list = append(list, mark{Key: t.Key, URL: t.URL, Labels: r.identity(t)})
		}
	}
	slices.SortStableFunc(list, func(a, b mark) int { return cmp.Compare(a.URL, b.URL) })
	return list[:min(len(list), maxMarks)]
}

// identity returns the labels that make up the key of a target; if they are not
// known, those of its series.
func (r *Reporter) identity(t *status.Target) telemetry.Labels {
	if r.cfg.Discovered == nil {
		return t.Labels
	}
	found, ok := r.cfg.Discovered(t.Component, t.Key)
	if !ok {
		return t.Labels
	}
	b := labels.NewBuilder(found)
	found.Range(func(l label) {
		if strings.HasPrefix(l.Name, model.MetaLabelPrefix) {
			b.Del(l.Name)
		}
	})
	return b.Labels()
}
