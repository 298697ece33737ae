package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

var errNotProfile = errors.New("not a profile in the format of pprof")

// Check reads a profile, inflated, from r to its end, and returns how many
// samples and bytes it has. It looks at the outermost fields only, and keeps
// nothing.
func Check(r *bufio.Reader) (samples, bytes int, err error) {
	head, err := r.Peek(headBytes)
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	if err := refuseText(head); err != nil {
		return 0, 0, err
	}
	c := checker{r: r}
	for {
		switch err := c.field(); {
		case errors.Is(err, io.EOF):
			return c.samples, c.bytes, c.whole()
		case errors.Is(err, io.ErrUnexpectedEOF):
			return c.samples, c.bytes, errTruncated
		case err != nil:
			return c.samples, c.bytes, err
		}
	}
}

// headBytes is how much of an answer tells whether it is text.
const headBytes = 48

// refuseText says what there is instead of a profile that begins with head, if
// people can read it: a page that says what is wrong, or the same profile with
// debug=1.
func refuseText(head []byte) error {
	if len(head) == 0 {
		return errors.New("profile is empty")
	}
	for rest := head; len(rest) > 0; {
		c, n := utf8.DecodeRune(rest)
		cut := c == utf8.RuneError && len(rest) < utf8.UTFMax && len(head) == headBytes
		if !cut && (c == utf8.RuneError || !unicode.IsPrint(c) && !unicode.IsSpace(c)) {
			return nil
		}
		rest = rest[n:]
	}
	return fmt.Errorf("not a profile: it is text that begins with %q", head)
}

// A checker is a Check under way.
type checker struct {
	r                       *bufio.Reader
	bytes                   int
	types, samples, strings int
}

// field reads one field. It returns io.EOF where a field may begin.
func (c *checker) field() error {
	tag, err := c.varint()
	if err != nil {
		return err
	}
	number, typ := protowire.DecodeTag(tag)
	if number < 1 {
		return errNotProfile
	}
	skip := uint64(0)
	switch typ {
	case protowire.VarintType:
		_, err = c.varint()
	case protowire.BytesType:
		c.count(number)
		skip, err = c.varint()
	case protowire.Fixed32Type:
		skip = 4
	case protowire.Fixed64Type:
		skip = 8
	default:
		return errNotProfile
	}
	if err == nil {
		err = c.skip(skip)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (c *checker) count(number protowire.Number) {
	switch number {
	case fieldSampleType:
		c.types++
	case fieldSample:
		c.samples++
	case fieldString:
		c.strings++
	}
}

func (c *checker) varint() (uint64, error) {
	v, err := binary.ReadUvarint(c.r)
	if err == nil {
		c.bytes += protowire.SizeVarint(v)
	}
	return v, err
}

// skip passes n bytes.
func (c *checker) skip(n uint64) error {
	for n > 0 {
		some, err := c.r.Discard(int(min(n, 1<<30)))
		c.bytes += some
		n -= uint64(some)
		if err != nil {
			return err
		}
	}
	return nil
}

// whole reports what every profile has and this one has not.
func (c *checker) whole() error {
	if c.types == 0 || c.strings == 0 {
		return errNotProfile
	}
	return nil
}
