package scrape

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
)

// A Protocol is a format of exposition, by its name in the configuration.
type Protocol string

// Protocols.
const (
	PrometheusProto   Protocol = "PrometheusProto"
	PrometheusText004 Protocol = "PrometheusText0.0.4"
	PrometheusText100 Protocol = "PrometheusText1.0.0"
	OpenMetrics001    Protocol = "OpenMetricsText0.0.1"
	OpenMetrics100    Protocol = "OpenMetricsText1.0.0"
)

// media returns the media type with its parameters, or "" for an unknown
// protocol.
func (p Protocol) media() string {
	switch p {
	case PrometheusProto:
		return "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	case PrometheusText004:
		return "text/plain;version=0.0.4"
	case PrometheusText100:
		return "text/plain;version=1.0.0"
	case OpenMetrics001:
		return "application/openmetrics-text;version=0.0.1"
	case OpenMetrics100:
		return "application/openmetrics-text;version=1.0.0"
	}
	return ""
}

// escapes reports whether the protocol lets the client ask for a way of
// escaping names.
func (p Protocol) escapes() bool { return p == PrometheusText100 || p == OpenMetrics100 }

// mediaType returns the media type alone.
func (p Protocol) mediaType() string {
	media, _, _ := strings.Cut(p.media(), ";")
	return media
}

// accept returns the Accept header that asks for protocols, the first most, and
// for anything rather than nothing.
func accept(protocols []Protocol, scheme model.EscapingScheme) string {
	const heaviest = 6 // one more than there are protocols
	var b strings.Builder
	for i, p := range protocols {
		b.WriteString(p.media())
		if p.escapes() {
			b.WriteString(";" + model.EscapingKey + "=" + scheme.String())
		}
		fmt.Fprintf(&b, ";q=0.%d,", heaviest-i)
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", heaviest-len(protocols))
	return b.String()
}
