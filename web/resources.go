package web

import (
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// Resources returns a collector of what this process and its machine use, under
// the names that dashboards of collectors know. What cannot be read is left out.
func Resources() prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("divvy_resources_"+name, help, nil, nil)
	}
	return resources{
		start: describe("process_start_time_seconds", "When this process started, in seconds since 1970."),
		cpu:   describe("process_cpu_seconds_total", "CPU time that this process has used."),
		rss:   describe("process_resident_memory_bytes", "Memory of this process that is resident."),
		vsize: describe("process_virtual_memory_bytes", "Virtual memory of this process."),
		rx:    describe("machine_rx_bytes_total", "Bytes that the machine's interfaces have received."),
		tx:    describe("machine_tx_bytes_total", "Bytes that the machine's interfaces have sent."),
	}
}

// resources describes the metrics of Resources.
type resources struct {
	start, cpu, rss, vsize, rx, tx *prometheus.Desc
}

// Describe sends the descriptions.
func (r resources) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.start, r.cpu, r.rss, r.vsize, r.rx, r.tx} {
		ch <- d
	}
}

// Collect reads the values from the kernel.
func (r resources) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	proc, err := procfs.NewProc(os.Getpid())
	if err != nil {
		return
	}
	if stat, err := proc.Stat(); err == nil {
		counter(r.cpu, stat.CPUTime())
		gauge(r.rss, float64(stat.ResidentMemory()))
		gauge(r.vsize, float64(stat.VirtualMemory()))
		if start, err := stat.StartTime(); err == nil {
			gauge(r.start, start)
		}
	}
	if devices, err := proc.NetDev(); err == nil {
		total := devices.Total()
		counter(r.rx, float64(total.RxBytes))
		counter(r.tx, float64(total.TxBytes))
	}
}
