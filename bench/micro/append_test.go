package micro

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// segment is how large a file grows before it is begun anew.
const segment = 64 << 20

// BenchmarkAppend writes blocks to the end of a file, without fsync.
func BenchmarkAppend(b *testing.B) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, size := range []int{50_000, 110_000, 220_000} {
		block := make([]byte, size)
		for i := range block {
			block[i] = byte(i * i)
		}
		b.Run(fmt.Sprintf("write/%dkB", size/1000), func(b *testing.B) {
			file, err := os.Create(filepath.Join(b.TempDir(), "segment"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			b.SetBytes(int64(size))
			at := int64(0)
			measure(b, "kB", size/1000, func() {
				if at >= segment {
					at = 0
					if err := file.Truncate(0); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := file.WriteAt(block, at); err != nil {
					b.Fatal(err)
				}
				at += int64(size)
			})
		})
		b.Run(fmt.Sprintf("checksum/%dkB", size/1000), func(b *testing.B) {
			b.SetBytes(int64(size))
			sum := uint32(0)
			measure(b, "kB", size/1000, func() { sum += crc32.Checksum(block, table) })
			if sum == 1 {
				b.Log("an odd sum")
			}
		})
	}
}
