package walk

import (
	"bytes"
	"fmt"
	"testing"
)

// A million lines without a limit are a lot, but no fault.
func TestMillionLinesAreScraped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	var b bytes.Buffer
	for i := range 1_000_000 {
		fmt.Fprintf(&b, "million{line=\"%d\",some=\"more text to make it longer\"} %d\n", i, i)
	}
	w := newTestWalk(plain(), &nullSink{})
	for range 3 {
		if err := w.scrape(b.Bytes(), "text/plain"); err != nil {
			t.Fatal(err)
		}
		if w.Total != 1_000_000 || len(w.batch.Samples) != 1_000_000 {
			t.Fatalf("%d samples, %d appended", w.Total, len(w.batch.Samples))
		}
		w.commit(false)
	}
}
