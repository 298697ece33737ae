package micro

import (
	"math"
	"strconv"
	"testing"

	"github.com/divvy-collector/divvy/metrics/exposition"
)

// values returns the values of a page, as text.
func values(kube bool) (list [][]byte) {
	for _, l := range lines(pages(1, kube)[0]) {
		list = append(list, l.value)
	}
	return list
}

func BenchmarkNumber(b *testing.B) {
	for _, kube := range []bool{false, true} {
		name, list := "application", values(kube)
		if kube {
			name = "kube"
		}
		of := func(parser string, parse func(text []byte) (float64, error)) {
			b.Run(parser+"/"+name, func(b *testing.B) {
				measure(b, "sample", len(list), func() {
					for _, text := range list {
						if _, err := parse(text); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
		of("own", exposition.Number)
		of("strconv", func(text []byte) (float64, error) { return strconv.ParseFloat(string(text), 64) })
	}
}

func TestParsersAgree(t *testing.T) {
	for _, text := range values(false) {
		own, err := exposition.Number(text)
		want, _ := strconv.ParseFloat(string(text), 64)
		if err != nil || math.Float64bits(own) != math.Float64bits(want) {
			t.Errorf("%s: %g, %v; want %g", text, own, err, want)
		}
	}
}
