package mixin

// Dashboards returns all of them.
func Dashboards() []Dashboard { return []Dashboard{fleet(), node(), scraping()} }

// one returns a panel with a single query.
func one(kind Kind, title, unit, expr, legend, description string) Panel {
	return Panel{Kind: kind, Title: title, Unit: unit, Description: description, Queries: []Query{{expr, legend}}}
}

// fleet is the page to begin with: is everything scraped once, and by whom.
func fleet() Dashboard {
	return Dashboard{
		UID: "divvy-fleet", Title: "divvy / Fleet",
		Description: "Is everything scraped once, is the cluster of one mind, how is the work divided.",
		Rows: []Row{{"At a glance", []Panel{
			one(Good, "Nodes", "", `count(divvy_build_info{SEL})`, "", "Nodes that monitoring sees."),
			one(Bad, "Peer counts that differ", "", `max(sum by (instance) (cluster_node_peers{SEL})) - min(sum by (instance) (cluster_node_peers{SEL}))`, "", "0: every node counts as many nodes."),
			one(Bad, "Configurations beyond one", "", `count(count by (sha256) (divvy_config_hash{SEL})) - 1`, "", "0: all nodes run one configuration. More is a fault within one cluster only."),
			one(Bad, "Targets without owner", "", `sum(max by (component_id) (divvy_fleet_targets_unowned{SEL}))`, "", "Nobody scrapes these. divvy fleet coverage names them."),
			one(Bad, "Targets with several", "", `sum(max by (component_id) (divvy_fleet_targets_multiple{SEL}))`, "", "Several nodes scrape these. divvy fleet coverage names them."),
			one(Bad, "Slots missed, 15 min", "", `sum(increase(divvy_scrape_slots_missed_total{SEL}[15m]))`, "", "Slots that a node was to serve and did not. A crash costs some."),
			one(Bad, "Samples lost, 15 min", "", `sum(increase(prometheus_remote_storage_samples_failed_total{SEL}[15m])) + sum(increase(divvy_remote_log_dropped_samples_total{SEL}[15m])) + sum(increase(prometheus_remote_storage_samples_dropped_total{SEL}[15m]))`, "", "Refused by a receiver, too old, or beyond the room on disk."),
			one(Good, "Samples per second", "", `sum(rate(prometheus_remote_storage_samples_in_total{SEL}[$__rate_interval]))`, "", "That all nodes together put into their logs."),
		}}, {"Nodes", []Panel{{
			Kind: Table, Title: "Nodes", Description: "One line for each node.",
			Queries: []Query{
				{`max by (instance, version) (divvy_build_info{SEL})`, "{version}"},
				{`max by (instance, state) (cluster_node_info{SEL})`, "{state}"},
				{`time() - max by (instance) (divvy_resources_process_start_time_seconds{SEL})`, "up for, s"},
				{`sum by (instance) (prometheus_scrape_targets_gauge{SEL})`, "targets, short"},
				{`sum by (instance) (rate(prometheus_forwarded_samples_total{SEL}[5m]))`, "samples per second, short"},
				{`max by (instance) (divvy_remote_backlog_seconds{SEL})`, "behind, s"},
				{`max by (instance) (rate(divvy_resources_process_cpu_seconds_total{SEL}[5m]))`, "CPU, percentunit"},
				{`max by (instance) (divvy_resources_process_resident_memory_bytes{SEL})`, "memory, bytes"},
				{`max by (instance) (abs(divvy_cluster_clock_skew_seconds{SEL}))`, "largest skew, s"},
			},
		}}}, {"One mind", []Panel{
			{Kind: Lines, Title: "Peers seen by each node", Description: "All lines should be one, at or above the minimum size.", Queries: []Query{
				{`sum by (instance) (cluster_node_peers{SEL})`, "{{instance}}"},
				{`max(cluster_minimum_size{SEL})`, "minimum size"},
			}},
			one(Lines, "Not converged for", "s", `max by (instance) (divvy_cluster_unconverged_seconds{SEL})`, "{{instance}}", "For how long some peer of the node has seen another cluster; 0: none does."),
			{Kind: Lines, Title: "Comings and goings", Description: "Dates that came into force, deaths, and deaths that were none, per node that saw them.", Queries: []Query{
				{`max(increase(divvy_cluster_transitions_total{SEL}[$__rate_interval]))`, "joined or left"},
				{`max(increase(divvy_cluster_deaths_total{SEL}[$__rate_interval]))`, "died"},
				{`sum(increase(divvy_cluster_false_deaths_total{SEL}[$__rate_interval]))`, "thought dead, and alive"},
			}},
			{Kind: Lines, Title: "Coverage", Description: "All should be 0.", Queries: []Query{
				{`max by (component_id) (divvy_fleet_targets_unowned{SEL})`, "{{component_id}}: nobody scrapes"},
				{`max by (component_id) (divvy_fleet_targets_multiple{SEL})`, "{{component_id}}: several scrape"},
				{`max by (component_id) (divvy_fleet_nodes_disagreeing{SEL})`, "{{component_id}}: nodes that disagree"},
			}},
			{Kind: Lines, Title: "Drift and silence", Description: "Nodes that run another configuration than most, and nodes that do not answer.", Queries: []Query{
				{`max(divvy_fleet_config_drift_nodes{SEL})`, "other configuration"},
				{`max(divvy_fleet_silent_nodes{SEL})`, "silent"},
			}},
			one(Lines, "Taking over after a crash", "s", `histogram_quantile(0.99, sum by (le) (increase(divvy_cluster_takeover_seconds_bucket{SEL}[$__range])))`, "99 %", "From the last proof of life of a node to the first view without it."),
		}}, {"How the work is divided", []Panel{
			one(Stack, "Targets", "", `sum by (instance) (prometheus_scrape_targets_gauge{SEL})`, "{{instance}}", "Targets whose slots are the node's. The sum stays when nodes come and go."),
			one(Stack, "Samples per second", "", `sum by (instance) (rate(prometheus_forwarded_samples_total{SEL}[$__rate_interval]))`, "{{instance}}", "Scraped and passed on."),
			one(Lines, "Busiest node beside the mean", "percentunit", `max(sum by (instance) (rate(prometheus_forwarded_samples_total{SEL}[5m]))) / avg(sum by (instance) (rate(prometheus_forwarded_samples_total{SEL}[5m])))`, "samples per second", "100 %: all carry the same."),
			one(Lines, "Targets moved per minute", "", `60 * sum by (instance) (rate(prometheus_scrape_targets_moved_total{SEL}[$__rate_interval]))`, "from {{instance}}", "To other nodes. Only what must move should."),
			{Kind: Lines, Title: "Slots", Description: "Served at once, late, in place of a dead node, or not at all; per second.", Queries: []Query{
				{`sum(rate(divvy_scrape_slots_served_total{SEL}[$__rate_interval]))`, "served"},
				{`sum(rate(divvy_scrape_slots_late_total{SEL}[$__rate_interval]))`, "of those, late"},
				{`sum(rate(divvy_scrape_slots_caught_up_total{SEL}[$__rate_interval]))`, "of those, for a dead node"},
				{`sum(rate(divvy_scrape_slots_missed_total{SEL}[$__rate_interval]))`, "missed"},
			}},
			one(Lines, "Slots served of those shared", "percentunit", `divvy:slots_served:rate15m{cluster=~"$cluster", namespace=~"$namespace", job=~"$job"} / divvy:slots_shared:max`, "{{cluster_name}} {{component_id}}", "100 %: each slot is served once. Less: some by nobody. More: some twice. Needs the recording rules."),
		}}},
	}
}

// node is about the machine, the process and its part in the gossip.
func node() Dashboard {
	return Dashboard{
		UID: "divvy-node", Title: "divvy / Node",
		Description: "The process, its configuration, and its part in the cluster.",
		Rows: []Row{{"Process", []Panel{
			one(Lines, "CPU", "percentunit", `rate(divvy_resources_process_cpu_seconds_total{SEL}[$__rate_interval])`, "{{instance}}", "100 %: one core."),
			one(Lines, "Memory", "bytes", `divvy_resources_process_resident_memory_bytes{SEL}`, "{{instance}}", "Resident."),
			{Kind: Lines, Title: "Network of the machine", Unit: "Bps", Description: "All its interfaces.", Queries: []Query{
				{`rate(divvy_resources_machine_rx_bytes_total{SEL}[$__rate_interval])`, "{{instance}} in"},
				{`rate(divvy_resources_machine_tx_bytes_total{SEL}[$__rate_interval])`, "{{instance}} out"},
			}},
		}}, {"Configuration", []Panel{
			one(Lines, "Components by health", "", `sum by (instance, health_type) (divvy_component_controller_running_components{SEL})`, "{{instance}} {{health_type}}", "All should be healthy."),
			{Kind: Lines, Title: "Loads", Description: "Whether the last one succeeded, and those that failed.", Queries: []Query{
				{`divvy_config_last_load_successful{SEL}`, "{{instance}} last load"},
				{`increase(divvy_config_load_failures_total{SEL}[$__rate_interval])`, "{{instance}} failed"},
			}},
			one(Lines, "Time to evaluate", "s", `histogram_quantile(0.99, sum by (instance, le) (rate(divvy_component_evaluation_seconds_bucket{SEL}[$__rate_interval])))`, "{{instance}} 99 %", "A component that exported something, and those that refer to it."),
		}}, {"Cluster, as the node sees it", []Panel{
			one(Stack, "Peers by state", "", `sum by (instance, state) (cluster_node_peers{SEL})`, "{{instance}} {{state}}", "Viewers do not serve yet; terminating nodes do not any more."),
			one(Lines, "Members of the gossip", "", `cluster_node_gossip_alive_peers{SEL}`, "{{instance}}", "Living, itself included."),
			one(Lines, "Health score", "", `cluster_node_gossip_health_score{SEL}`, "{{instance}}", "0: healthy. Above: the gossip is slow to answer."),
			one(Lines, "Skew of peers' clocks", "s", `divvy_cluster_clock_skew_seconds{SEL}`, "{{peer}} seen by {{instance}}", "Should stay below 100 ms. Above a second a node serves nothing."),
			one(Lines, "Lamport clock", "", `cluster_node_lamport_time{SEL}`, "{{instance}}", "Of the states that nodes tell each other. All lines should run together."),
			one(Lines, "Observers of the view", "", `cluster_node_update_observers{SEL}`, "{{instance}}", "Places where a new view is published."),
			one(Lines, "Time to publish a view", "s", `histogram_quantile(0.99, sum by (instance, le) (rate(cluster_node_update_duration_seconds_bucket{SEL}[$__rate_interval])))`, "{{instance}} 99 %", ""),
			one(Lines, "Ready for traffic", "", `cluster_ready_for_traffic{SEL}`, "{{instance}}", "0: there are fewer nodes than --cluster.wait-for-size."),
			{Kind: Lines, Title: "Trouble", Description: "All should be 0: withdrawn after a pause, own dates that were moved, no peer found.", Queries: []Query{
				{`rate(divvy_cluster_fenced_seconds_total{SEL}[$__rate_interval])`, "{{instance}} fenced, part of the time"},
				{`increase(divvy_cluster_postponed_dates_total{SEL}[$__rate_interval])`, "{{instance}} dates postponed"},
				{`increase(divvy_cluster_disagreements_total{SEL}[$__rate_interval])`, "{{instance}} disagreements"},
				{`divvy_cluster_peers_missing{SEL}`, "{{instance}} finds nobody"},
			}},
		}}, {"Gossip and its transport", []Panel{
			{Kind: Lines, Title: "Events by kind", Unit: "ops", Description: "Received, and state messages passed on.", Queries: []Query{
				{`sum by (instance, event) (rate(cluster_node_gossip_received_events_total{SEL}[$__rate_interval]))`, "{{instance}} {{event}}"},
				{`sum by (instance, event) (rate(cluster_node_gossip_broadcasts_total{SEL}[$__rate_interval]))`, "{{instance}} {{event}} passed on"},
			}},
			{Kind: Lines, Title: "Bandwidth", Unit: "Bps", Description: "Packets and streams.", Queries: []Query{
				{`rate(cluster_transport_rx_bytes_total{SEL}[$__rate_interval]) + rate(cluster_transport_stream_rx_bytes_total{SEL}[$__rate_interval])`, "{{instance}} in"},
				{`rate(cluster_transport_tx_bytes_total{SEL}[$__rate_interval]) + rate(cluster_transport_stream_tx_bytes_total{SEL}[$__rate_interval])`, "{{instance}} out"},
			}},
			{Kind: Lines, Title: "Success of packets", Unit: "percentunit", Description: "100 %: every packet went out, and every one that came in could be read.", Queries: []Query{
				{`1 - rate(cluster_transport_tx_packets_failed_total{SEL}[$__rate_interval]) / (rate(cluster_transport_tx_packets_total{SEL}[$__rate_interval]) > 0)`, "{{instance}} out"},
				{`1 - rate(cluster_transport_rx_packets_failed_total{SEL}[$__rate_interval]) / (rate(cluster_transport_rx_packets_total{SEL}[$__rate_interval]) > 0)`, "{{instance}} in"},
			}},
			{Kind: Lines, Title: "Success of streams", Unit: "percentunit", Description: "Reads and writes on streams.", Queries: []Query{
				{`1 - rate(cluster_transport_stream_tx_packets_failed_total{SEL}[$__rate_interval]) / (rate(cluster_transport_stream_tx_packets_total{SEL}[$__rate_interval]) > 0)`, "{{instance}} out"},
				{`1 - rate(cluster_transport_stream_rx_packets_failed_total{SEL}[$__rate_interval]) / (rate(cluster_transport_stream_rx_packets_total{SEL}[$__rate_interval]) > 0)`, "{{instance}} in"},
			}},
			{Kind: Lines, Title: "Queues", Description: "Packets that wait.", Queries: []Query{
				{`cluster_transport_rx_packet_queue_length{SEL}`, "{{instance}} in"},
				{`cluster_transport_tx_packet_queue_length{SEL}`, "{{instance}} out"},
			}},
			one(Lines, "Open streams", "", `cluster_transport_streams{SEL}`, "{{instance}}", "In both directions."),
		}}},
	}
}

// scraping is the way of the samples, from the target to the receiver.
func scraping() Dashboard {
	return Dashboard{
		UID: "divvy-scraping", Title: "divvy / Scraping and delivery",
		Description: "The way of the samples, from the target to the receiver.",
		Rows: []Row{{"Scraping", []Panel{
			{Kind: Lines, Title: "Targets", Description: "Served by the node, and known to it.", Queries: []Query{
				{`sum by (instance, component_id) (prometheus_scrape_targets_gauge{SEL})`, "{{instance}} {{component_id}} served"},
				{`sum by (instance, component_id) (prometheus_target_scrape_pool_targets{SEL})`, "{{instance}} {{component_id}} known"},
			}},
			one(Lines, "Slots served per second", "ops", `sum by (instance, component_id) (rate(divvy_scrape_slots_served_total{SEL}[$__rate_interval]))`, "{{instance}} {{component_id}}", "Whether the target answered or not."),
			{Kind: Lines, Title: "Slots that went wrong", Unit: "ops", Description: "Late, missed, or discarded because the process was stopped meanwhile.", Queries: []Query{
				{`sum by (instance) (rate(divvy_scrape_slots_late_total{SEL}[$__rate_interval]))`, "{{instance}} late"},
				{`sum by (instance) (rate(divvy_scrape_slots_missed_total{SEL}[$__rate_interval]))`, "{{instance}} missed"},
				{`sum by (instance) (rate(divvy_scrape_slots_discarded_total{SEL}[$__rate_interval]))`, "{{instance}} discarded"},
			}},
			one(Lines, "Time between scrapes of a target", "s", `max by (instance, interval) (prometheus_target_interval_length_seconds{SEL, quantile="0.99"})`, "{{instance}} {{interval}} 99 %", "Should be the interval that was asked for."),
			one(Stack, "Samples scraped", "", `sum by (instance, component_id) (rate(prometheus_forwarded_samples_total{SEL}[$__rate_interval]))`, "{{instance}} {{component_id}}", "Passed on, per second."),
			{Kind: Lines, Title: "Refused by a limit or a rule", Unit: "ops", Description: "Scrapes beyond a limit; samples given twice, out of order or too far ahead.", Queries: []Query{
				{`sum by (instance) (rate(prometheus_target_scrapes_exceeded_sample_limit_total{SEL}[$__rate_interval]))`, "{{instance}} sample_limit"},
				{`sum by (instance) (rate(prometheus_target_scrapes_exceeded_body_size_limit_total{SEL}[$__rate_interval]))`, "{{instance}} body_size_limit"},
				{`sum by (instance) (rate(prometheus_target_scrapes_sample_duplicate_timestamp_total{SEL}[$__rate_interval]))`, "{{instance}} twice"},
				{`sum by (instance) (rate(prometheus_target_scrapes_sample_out_of_order_total{SEL}[$__rate_interval]))`, "{{instance}} out of order"},
				{`sum by (instance) (rate(prometheus_target_scrapes_sample_out_of_bounds_total{SEL}[$__rate_interval]))`, "{{instance}} too far ahead"},
			}},
		}}, {"Backlog", []Panel{
			one(Lines, "Behind by", "s", `max by (instance, url) (divvy_remote_backlog_seconds{SEL})`, "{{instance}} {{url}}", "Age of the oldest sample that the receiver has not taken."),
			one(Lines, "Samples that wait", "", `sum by (instance, url) (prometheus_remote_storage_samples_pending{SEL})`, "{{instance}} {{url}}", "In the log, not taken by the receiver yet."),
			{Kind: Lines, Title: "Log", Unit: "bytes", Description: "What waits, and what the log takes on disk.", Queries: []Query{
				{`sum by (instance, url) (divvy_remote_backlog_bytes{SEL})`, "{{instance}} {{url}} waits"},
				{`sum by (instance, url) (divvy_remote_log_disk_bytes{SEL})`, "{{instance}} {{url}} on disk"},
			}},
			one(Lines, "Disk refuses", "", `max by (instance, url) (divvy_remote_log_degraded{SEL})`, "{{instance}} {{url}}", "1: samples are in memory only."),
			{Kind: Lines, Title: "Samples lost", Unit: "ops", Description: "Refused, too old, or beyond the room on disk. All should be 0.", Queries: []Query{
				{`sum by (instance, url) (rate(prometheus_remote_storage_samples_failed_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}} refused"},
				{`sum by (instance, url, reason) (rate(prometheus_remote_storage_samples_dropped_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}} {{reason}}"},
				{`sum by (instance, url) (rate(divvy_remote_log_dropped_samples_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}} beyond the log"},
			}},
			one(Lines, "Damaged records", "", `sum by (instance, url) (increase(divvy_remote_log_damaged_records_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}}", "Set aside, never deleted."),
		}}, {"Delivery", []Panel{
			{Kind: Lines, Title: "Samples", Unit: "ops", Description: "Into the log, and taken by the receiver.", Queries: []Query{
				{`sum by (instance, url) (rate(prometheus_remote_storage_samples_in_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}} in"},
				{`sum by (instance, url) (rate(prometheus_remote_storage_samples_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}} taken"},
			}},
			one(Lines, "Bytes", "Bps", `sum by (instance, url) (rate(prometheus_remote_storage_bytes_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}}", "Compressed, as sent."),
			one(Lines, "Samples sent again", "ops", `sum by (instance, url) (rate(prometheus_remote_storage_samples_retried_total{SEL}[$__rate_interval]))`, "{{instance}} {{url}}", "In requests that failed and are repeated."),
			{Kind: Lines, Title: "Time of requests", Unit: "s", Description: "Of those that the receiver took.", Queries: []Query{
				{`histogram_quantile(0.5, sum by (instance, url, le) (rate(prometheus_remote_storage_sent_batch_duration_seconds_bucket{SEL}[$__rate_interval])))`, "{{instance}} {{url}} 50 %"},
				{`histogram_quantile(0.99, sum by (instance, url, le) (rate(prometheus_remote_storage_sent_batch_duration_seconds_bucket{SEL}[$__rate_interval])))`, "{{instance}} {{url}} 99 %"},
			}},
			{Kind: Lines, Title: "Parallel senders", Description: "At work, wanted, and allowed.", Queries: []Query{
				{`max by (instance, url) (prometheus_remote_storage_shards{SEL})`, "{{instance}} {{url}}"},
				{`max by (instance, url) (prometheus_remote_storage_shards_desired{SEL})`, "{{instance}} {{url}} wanted"},
				{`max by (instance, url) (prometheus_remote_storage_shards_max{SEL})`, "{{instance}} {{url}} allowed"},
			}},
			one(Lines, "Discovery that fails", "", `sum by (instance, component_id) (increase(prometheus_sd_refresh_failures_total{SEL}[$__rate_interval]))`, "{{instance}} {{component_id}}", "Refreshes of targets. The old ones stay."),
		}}},
	}
}
