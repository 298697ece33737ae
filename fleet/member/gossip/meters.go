package gossip

import "github.com/prometheus/client_golang/prometheus"

// meters are the transport's own metrics, under the names that users of
// Alloy's dashboards know. A packet is counted once: when it was handed over,
// or when it failed.
type meters struct {
	rxPackets, rxBytes, rxFailed prometheus.Counter
	txPackets, txBytes, txFailed prometheus.Counter

	streams                                        prometheus.Gauge
	streamRxPackets, streamRxBytes, streamRxFailed prometheus.Counter
	streamTxPackets, streamTxBytes, streamTxFailed prometheus.Counter

	refused *prometheus.CounterVec // by reason

	all []prometheus.Collector // what was registered
}

// Reasons for a refusal, the label of meters.refused.
const (
	refusedBusy      = "busy"      // too many at once, or too often
	refusedClosed    = "closed"    // shut down, or the gate is closed
	refusedMalformed = "malformed" // another protocol, content type or no frames
)

// newMeters makes the metrics and registers them with reg, which may be nil.
// rxQueue and txQueue return the lengths of the queues.
func newMeters(reg prometheus.Registerer, rxQueue, txQueue func() int) *meters {
	m := &meters{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "cluster_transport_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	length := func(name, help string, of func() int) {
		m.all = append(m.all, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "cluster_transport_" + name, Help: help},
			func() float64 { return float64(of()) }))
	}
	m.rxPackets = counter("rx_packets_total", "Packets received and handed to the gossip.")
	m.rxBytes = counter("rx_bytes_total", "Bytes of packets received and handed to the gossip.")
	m.rxFailed = counter("rx_packets_failed_total", "Packets received and dropped: malformed, queue full or gate closed.")
	m.txPackets = counter("tx_packets_total", "Packets that a peer took.")
	m.txBytes = counter("tx_bytes_total", "Bytes of packets that a peer took.")
	m.txFailed = counter("tx_packets_failed_total", "Packets not sent: peer unreachable, queue full or gate closed.")
	length("rx_packet_queue_length", "Packets received that wait for the gossip.", rxQueue)
	length("tx_packet_queue_length", "Packets that wait to be sent, to all peers.", txQueue)
	m.streamRxPackets = counter("stream_rx_packets_total", "Frames received on streams.")
	m.streamRxBytes = counter("stream_rx_bytes_total", "Payload bytes received on streams.")
	m.streamRxFailed = counter("stream_rx_packets_failed_total", "Reads from streams that failed.")
	m.streamTxPackets = counter("stream_tx_packets_total", "Frames sent on streams.")
	m.streamTxBytes = counter("stream_tx_bytes_total", "Payload bytes sent on streams.")
	m.streamTxFailed = counter("stream_tx_packets_failed_total", "Writes to streams that failed.")
	m.streams = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cluster_transport_streams", Help: "Open streams, in both directions."})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cluster_transport_refused_requests_total", Help: "Requests of peers that were refused, by reason."},
		[]string{"reason"})
	for _, reason := range []string{refusedBusy, refusedClosed, refusedMalformed} {
		m.refused.WithLabelValues(reason)
	}
	m.all = append(m.all, m.streams, m.refused)
	if reg != nil {
		reg.MustRegister(m.all...)
	}
	return m
}

// sent counts packets that a peer took.
func (m *meters) sent(batch []packet) {
	m.txPackets.Add(float64(len(batch)))
	for _, p := range batch {
		m.txBytes.Add(float64(p.payload()))
	}
}
