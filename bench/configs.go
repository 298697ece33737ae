package main

import (
	"fmt"
	"strings"
	"text/template"
	"time"
)

// A setting fills in the templates of the configurations.
type setting struct {
	SD, Write, Addr, Message    string
	Gzip, Rules                 bool
	Interval, Timeout           string
	AlloyRules, PrometheusRules string
}

// configure returns the configuration of c for s. Variants differ in a rule
// that finds nothing.
func (c collector) configure(s scenario, variant int) (string, error) {
	set := setting{
		SD: "http://" + bed + "/sd", Write: writeURL, Addr: addr, Message: "prometheus.WriteRequest",
		Gzip: s.gzip, Rules: s.rules,
		Interval: s.interval.String(), Timeout: min(s.interval, 10*time.Second).String(),
	}
	if s.v2 {
		set.Message = "io.prometheus.write.v2.Request"
	}
	if s.rules {
		rules := relabelRules(variant)
		set.AlloyRules, set.PrometheusRules = alloyRules(rules), prometheusRules(rules)
	}
	text := c.config
	if s.idle {
		text = c.quick
	}
	t, err := template.New(c.name).Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the configuration of %s: %w", c.name, err)
	}
	var b strings.Builder
	err = t.Execute(&b, set)
	return b.String(), err
}

// alloyConfig is divvy's and Alloy's: one file for both. Divvy has no cache for
// max_cache_size and no buffer for capacity.
const alloyConfig = `discovery.http "fleet" {
  url = "{{.SD}}"
}

prometheus.scrape "fleet" {
  targets            = discovery.http.fleet.targets
  job_name           = "fleet"
  scrape_interval    = "{{.Interval}}"
  scrape_timeout     = "{{.Timeout}}"
  enable_compression = {{.Gzip}}
  forward_to         = [prometheus.{{if .Rules}}relabel.rules{{else}}remote_write.sink{{end}}.receiver]
}
{{if .Rules}}
prometheus.relabel "rules" {
  forward_to     = [prometheus.remote_write.sink.receiver]
  max_cache_size = 2000000
{{.AlloyRules}}}
{{end}}
prometheus.remote_write "sink" {
  endpoint {
    url              = "{{.Write}}"
    protobuf_message = "{{.Message}}"
    metadata_config {
      send = false
    }
    queue_config {
      max_samples_per_send = 10000
      capacity             = 20000
    }
  }
}
`

const alloyQuick = `prometheus.exporter.self "me" { }

prometheus.scrape "me" {
  targets    = prometheus.exporter.self.me.targets
  forward_to = [prometheus.remote_write.sink.receiver]
}

prometheus.remote_write "sink" {
  endpoint {
    url = "{{.Write}}"
  }
}
`

const promConfig = `global:
  scrape_interval: {{.Interval}}
  scrape_timeout: {{.Timeout}}
scrape_configs:
  - job_name: fleet
    honor_timestamps: true
    enable_compression: {{.Gzip}}
    http_sd_configs:
      - url: {{.SD}}
{{- if .Rules}}
    metric_relabel_configs:
{{.PrometheusRules}}
{{- end}}
`

const promQuick = `global:
  scrape_interval: 60s
scrape_configs:
  - job_name: me
    static_configs:
      - targets: ["{{.Addr}}"]
`

const promWrite = `remote_write:
  - url: {{.Write}}
    protobuf_message: {{.Message}}
    metadata_config:
      send: false
    queue_config:
      max_samples_per_send: 10000
      capacity: 20000
`
