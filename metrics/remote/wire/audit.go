package wire

import (
	"bytes"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/s2"
)

// An Audit looks for pieces of blocks that say something else than they should,
// whatever the reason: a mistake of the encoder or of the compressor, a number
// that stands for the wrong label, memory that was overwritten.
//
//	sample ─┬─► run, Table, symbols ─► series ─► compressor ─► elements ─► another ─┐
//	        └─► twin: labels one by one ──────────────────────────────────────── equal?
//
// Of one piece in Every a twin is written at the same time, by code that is as
// simple as can be and shares next to nothing with the encoder. The piece is
// compressed and decoded again with another library, and compared with it. Of
// one series in 64 the Table remembers a hash of the labels that Resolve was
// given, which is compared with those that the twin reads back.
//
// A piece that differs is replaced by its twin before anything of it leaves the
// block, and all that come after it are their twins, which is slow and safe. A
// series with the wrong labels is left out. A number that stands for no label at
// all ends the process: nothing that comes after it could be trusted.
//
// The lock that guards the blocks guards their Audit.
type Audit struct {
	Every int  // one piece of so many is checked, the first one first; 0: none
	Plain bool // a piece was wrong: only twins are sent

	pieces int
}

// next returns the twin that the next piece of a block wants, or nil.
func (a *Audit) next(kind uint8) *twin {
	if a == nil || a.Every == 0 {
		return nil
	}
	a.pieces++
	if !a.Plain && a.pieces%a.Every != 1%a.Every {
		return nil
	}
	return &twin{kind: kind, series: make([]byte, 0, packBytes)}
}

// A Verdict is what audits of a block have found.
type Verdict struct {
	Checked int // pieces that were compared
	Damaged int // pieces that were replaced
	Torn    int // samples of series whose labels were not what Resolve was given
}

// Plus returns the sum.
func (v Verdict) Plus(w Verdict) Verdict {
	return Verdict{Checked: v.Checked + w.Checked, Damaged: v.Damaged + w.Damaged, Torn: v.Torn + w.Torn}
}

// WatchedBy has a check b, which is empty.
func (b *Block) WatchedBy(a *Audit) { b.audit = a }

// begin decides whether the piece that begins is checked.
func (b *Block) begin() {
	if !b.begun {
		b.begun, b.twin = true, b.audit.next(b.Kind)
	}
}

// prove makes sure that the piece whose elements are those of packed from at on
// says what its twin says. It returns the length that they decode to.
func (b *Block) prove(at int) (size int) {
	b.Checked++
	b.Torn += b.twin.torn.Items()
	if !b.audit.Plain && b.sameAsTwin(b.packed[at:]) {
		return len(b.series)
	}
	if !b.audit.Plain {
		b.Damaged++
		b.audit.Plain = true
	}
	if b.twin.torn != (Counts{}) {
		b.Counts = b.Counts.minus(b.twin.torn)
		b.twin.table.torn.Store(true)
	}
	request := b.twin.request(b.sym.fresh)
	b.packed = append(b.packed[:at], b.elementsOf(request)...)
	return len(request)
}

// sameAsTwin reports whether elements decode to what the twin of b says.
func (b *Block) sameAsTwin(elements []byte) bool {
	raw, err := b.decodeElements(elements, len(b.series))
	return err == nil && bytes.Equal(raw, b.twin.request(b.sym.numbers))
}

// provenSymbols appends the compressed symbols to dst and makes sure that they
// can be decoded, if some piece of the block was checked.
func (b *Block) provenSymbols(dst []byte) []byte {
	at := len(dst)
	dst = b.appendElements(dst, b.sym.bytes)
	if b.Checked == 0 {
		return dst
	}
	raw, err := b.decodeElements(dst[at:], len(b.sym.bytes))
	if err == nil && bytes.Equal(raw, b.sym.bytes) {
		return dst
	}
	b.Damaged++
	return append(dst[:at], b.elementsOf(b.sym.bytes)...)
}

// decodeElements returns what elements stand for, size bytes. It uses the
// library that b does not compress with.
func (b *Block) decodeElements(elements []byte, size int) ([]byte, error) {
	block := append(appendVarint(nil, uint64(size)), elements...)
	if b.Kind == KindWrite2 {
		return s2.Decode(nil, block)
	}
	return snappy.Decode(nil, block)
}

// elementsOf compresses raw with the library that b does not use otherwise.
func (b *Block) elementsOf(raw []byte) []byte {
	encode := snappy.Encode
	if b.Kind == KindWrite2 {
		encode = s2.EncodeSnappy
	}
	return encode(nil, raw)[varintLen(uint64(len(raw))):]
}
