package micro

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// What has just arrived is in the cache; what was kept from the scrape before
// is not, when there are thousands of targets.
const (
	arrived = 64 << 10
	kept    = 64 << 20
)

// BenchmarkHash recognises text of three usual lengths by its hash, and by
// comparing it with a copy that was kept.
func BenchmarkHash(b *testing.B) {
	text := pages(1, false)[0][:arrived]
	copies := bytes.Repeat(text, kept/arrived)
	seed := maphash.MakeSeed()
	for _, size := range []int{40, 75, 120} {
		of := func(name string, look func(piece []byte, at int)) {
			b.Run(fmt.Sprintf("%s/%dB", name, size), func(b *testing.B) {
				b.SetBytes(arrived)
				scrape := 0
				measure(b, "line", arrived/size, func() {
					for at := 0; at+size <= arrived; at += size {
						look(text[at:at+size], scrape+at)
					}
					scrape = (scrape + arrived) % kept
				})
			})
		}
		var sum uint64
		same := 0
		of("maphash", func(piece []byte, _ int) { sum += maphash.Bytes(seed, piece) })
		of("xxhash", func(piece []byte, _ int) { sum += xxhash.Sum64(piece) })
		of("compare", func(piece []byte, at int) {
			if bytes.Equal(piece, copies[at:at+len(piece)]) {
				same++
			}
		})
		if same == 0 && sum == 1 {
			b.Fatal("nothing was recognised")
		}
	}
}
