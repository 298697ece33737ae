package coverage

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
)

// A Book is which keys of a component some nodes know, all the same ones, and
// who of the cluster is to serve each by their View.
type Book struct {
	Nodes []string // who know these keys

	clustered bool
	keys      []owner.Key // ascending
	owners    []uint16    // of each key: index into names
	names     []string    // the first is "": nobody
}

// owner returns who is to serve the i-th key.
func (b *Book) owner(i int) string { return b.names[b.owners[i]] }

// NewBook returns a book of one node without keys. clustered says whether the
// node shares its targets with others.
func NewBook(node string, clustered bool) Book {
	return Book{Nodes: []string{node}, clustered: clustered, names: []string{""}}
}

// Add adds a key, greater than all before, and who is to serve it; "": nobody.
func (b *Book) Add(key owner.Key, owner string) {
	n := slices.Index(b.names, owner)
	if n < 0 {
		n = len(b.names)
		b.names = append(b.names, owner)
	}
	b.keys, b.owners = append(b.keys, key), append(b.owners, uint16(n))
}

// Keys returns the keys, ascending.
func (b *Book) Keys() []owner.Key { return b.keys }

// bookJSON is a book on its way. Keys are 8 bytes each, owners 2, big-endian.
type bookJSON struct {
	Clustered bool     `json:"clustered"`
	Keys      []byte   `json:"keys"`
	Owners    []byte   `json:"owners"`
	Names     []string `json:"names"`
}

// MarshalJSON encodes the book without its nodes, whom the reader knows.
func (b Book) MarshalJSON() ([]byte, error) {
	out := bookJSON{Clustered: b.clustered, Names: b.names, Keys: AppendKeys(nil, b.keys)}
	for _, n := range b.owners {
		out.Owners = binary.BigEndian.AppendUint16(out.Owners, n)
	}
	return json.Marshal(out)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (b *Book) UnmarshalJSON(text []byte) error {
	var in bookJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	keys, err := DecodeKeys(in.Keys)
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
	*b = Book{clustered: in.Clustered, keys: keys, owners: owners, names: in.Names}
	return nil
}

// AppendKeys appends keys, 8 bytes each.
func AppendKeys(b []byte, keys []owner.Key) []byte {
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, uint64(k))
	}
	return b
}

// DecodeKeys is the inverse of AppendKeys for keys that ascend.
func DecodeKeys(b []byte) ([]owner.Key, error) {
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

// A Mark is what a target is known by: the labels that make up its key.
type Mark struct {
	Key    owner.Key        `json:"key,string"`
	URL    string           `json:"url"`
	Labels telemetry.Labels `json:"labels"`
}
