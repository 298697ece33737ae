package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// read lists the samples and metadata of a body as text, and whether it could
// be read to its end.
func read(body []byte) (out []string, ok bool) {
	if n := len(body); n == 0 || body[n-1] != '\n' {
		body = append(bytes.Clone(body), '\n')
	}
	var l Line
	var metric model.MetricType
	b := labels.NewScratchBuilder(8)
	for len(body) > 0 {
		if err := l.Parse(body); err != nil {
			return out, false
		}
		switch l.Kind {
		case Series:
			t := "none"
			if l.HasT {
				t = fmt.Sprint(l.T)
			}
			out = append(out, fmt.Sprintf("%q %s %x %s", l.Text, l.Labels(metric, &b), l.Value, t))
		case Type:
			metric = l.Metric
			out = append(out, fmt.Sprintf("type %q %s", l.Family, l.Metric))
		case Help:
			out = append(out, fmt.Sprintf("help %q %q", l.Family, l.HelpText()))
		}
		body = body[l.Size:]
	}
	return out, true
}

// oracle is read in Prometheus' way.
func oracle(body []byte) (out []string, ok bool) {
	p := textparse.NewPromParser(bytes.Clone(body), labels.NewSymbolTable(), false)
	for {
		kind, err := p.Next()
		if err != nil {
			return out, errors.Is(err, io.EOF)
		}
		switch kind {
		case textparse.EntrySeries:
			text, ts, v := p.Series()
			t := "none"
			if ts != nil {
				t = fmt.Sprint(*ts)
			}
			var lset labels.Labels
			p.Labels(&lset)
			out = append(out, fmt.Sprintf("%q %s %x %s", text, lset, v, t))
		case textparse.EntryType:
			name, metric := p.Type()
			out = append(out, fmt.Sprintf("type %q %s", name, metric))
		case textparse.EntryHelp:
			name, help := p.Help()
			out = append(out, fmt.Sprintf("help %q %q", name, help))
		}
	}
}

// checkBody compares the two readers on a body without NUL bytes.
func checkBody(t *testing.T, body []byte) {
	t.Helper()
	if bytes.IndexByte(body, 0) >= 0 {
		return
	}
	want, wantOK := oracle(body)
	got, gotOK := read(body)
	if wantOK != gotOK {
		t.Fatalf("body %q: read to its end: %v; textparse: %v", body, gotOK, wantOK)
	}
	if diff := cmp.Diff(want, got); wantOK && diff != "" {
		t.Fatalf("body %q (-textparse +ours):\n%s", body, diff)
	}
}

// bodies are seeds: each shows something that the format allows or forbids.
var bodies = []string{
	"x 1\n", "x 1", "x{a=\"b\"} 1 1000\n", "x{a=\"b\",} 1\n", "x {a = \"b\" , c=\"d\"} 1\n", "x{a=\"b\"c=\"d\"} 1\n",
	"{\"x\"} 1\n", "{\"x\",a=\"b\"} 1\n", "{a=\"b\",\"x\"} 1\n", "{a=\"b\"} 1\n", "x{\"y\"} 1\n", "{\"x\",\"y\"} 1\n", "{\"x\" ,\"a.b\"=\"c\"} 1\n",
	"x{a=\"\\n\\\\\\\"\\x\"} 1\n", "x{a=\"b\nc\"} 1\n", "x{a=\"b\\\nc\"} 1\n", "x{a=\"\xff\"} 1\n", "x{} 1\n", "x{,} 1\n", "x{a=\"b\",,} 1\n",
	" x 1\n", "\tx 1\n", "x\t1\t2\t\n", "x  1  2  \n", "x 1 2 3\n", "x 1 -2\n", "x 1{\n", "x{a=\"b\"}1\n", "x{a=\"b\"}{ 1\n", "x\n", "x \n", "x{\n",
	"x 1\r\n", "x 0x1\n", "x 1_0\n", "x NaN\n", "x +Inf\n", "x 1 99999999999999999999\n", "1x 1\n", "a:b 1\n", ":x 1\n", "x{a:b=\"c\"} 1\n",
	"# HELP x some\\nhelp \\\\ text\n", "# HELP x\n", "# HELP x \n", "# HELP x  y\n", "# HELP\n", "# HELP \n", "# HELPx y\n", "#HELP x y\n", "#\n", "# \n", "#  x\n",
	"# TYPE x counter\n", "# TYPE x counter \n", "# TYPE x  counter\n", "# TYPE x\n", "# TYPE x unknown\n", "# TYPE x untyped\n", "# TYPE x.y counter\n", "# TYPE x{counter\n",
	"# TYPE \"x.y\" counter\n", "# TYPE \"x counter\n", "# HELP \"a\\\"b\" c\n", "# HELP x \xff\n", "\n\n \n\t\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"x\"} 1\n",
	"# TYPE s summary\ns{quantile=\"0.50\"} 1\ns{le=\"1\"} 1\n", "x{a=\"b\" 1\n", "x{a=b} 1\n", "x{a} 1\n", "x{=\"b\"} 1\n", "é 1\n", "x{é=\"b\"} 1\n", "{} 1\n", "{\"\"} 1\n",
}

func TestTextEqualsTextparse(t *testing.T) {
	for _, body := range bodies {
		checkBody(t, []byte(body))
		checkBody(t, []byte("a 1\n"+body+"b 2\n"))
		checkBody(t, []byte(strings.TrimSuffix(body, "\n")))
	}
}

func TestRealPagesEqualTextparse(t *testing.T) {
	for _, name := range []string{"testdata/node.txt"} {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		checkBody(t, body)
		if out, ok := read(body); !ok || len(out) < 100 {
			t.Errorf("%s: %d lines, read to its end: %v", name, len(out), ok)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	f.Fuzz(checkBody)
}

// A tail that follows a known series text is read as the whole line would be.
func FuzzTail(f *testing.F) {
	for _, s := range []string{" 1\n", " 1 2\n", "1\n", " 1{\n", " NaN 5 \n", "\t-1e3\t7\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, tail []byte) {
		line := append([]byte(`x{a="b"}`), tail...)
		if bytes.IndexByte(line, 0) >= 0 {
			return
		}
		v, ts, n, err := Tail(line[8:])
		var l Line
		parseErr := l.Parse(line)
		if (err == nil) != (parseErr == nil) {
			t.Fatalf("Tail(%q) fails with %v, Parse with %v", tail, err, parseErr)
		}
		if err == nil && (l.Size != 8+n || l.HasT != (ts != NoTime) || l.HasT && l.T != ts || v != l.Value && v == v) {
			t.Fatalf("Tail(%q) = %v %d %d; the line has %v %d %d", tail, v, ts, n, l.Value, l.T, l.Size)
		}
	})
}

func TestInFamily(t *testing.T) {
	f := func(name, family string, metric model.MetricType, want bool) {
		t.Helper()
		if got := InFamily(name, family, metric); got != want {
			t.Errorf("InFamily(%q, %q, %s) = %v", name, family, metric, got)
		}
	}
	f("x_total", "x", model.MetricTypeCounter, true)
	f("x_total", "x_total", model.MetricTypeCounter, true)
	f("x", "x_total", model.MetricTypeCounter, true)
	f("x_bucket", "x", model.MetricTypeHistogram, true)
	f("x_bucket", "x", model.MetricTypeGauge, false)
	f("xy", "x", model.MetricTypeGauge, false)
	f("x_gcount", "x", model.MetricTypeGaugeHistogram, true)
	f("x_count", "x", model.MetricTypeSummary, true)
	f("x_info", "x", model.MetricTypeInfo, true)
	f("x", "x", model.MetricTypeUnknown, true)
}

func BenchmarkLine(b *testing.B) {
	body, err := os.ReadFile("testdata/node.txt")
	if err != nil {
		b.Fatal(err)
	}
	samples := bytes.Count(body, []byte("\n")) - bytes.Count(body, []byte("\n#"))
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*samples), "ns/sample")
		b.SetBytes(int64(len(body)))
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		var l Line
		for b.Loop() {
			for rest := body; len(rest) > 0; rest = rest[l.Size:] {
				if err := l.Parse(rest); err != nil {
					b.Fatal(err)
				}
			}
		}
		report(b)
	})
	b.Run("textparse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
			for {
				if _, err := p.Next(); err != nil {
					break
				}
			}
		}
		report(b)
	})
}
