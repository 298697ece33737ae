package member

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/fleet/member/ckit"
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// Kinds of gossip events, the label of meters.events.
const (
	eventState    = "state_change_message"
	eventUnknown  = "unknown_message"
	eventLocal    = "get_local_state"
	eventRemote   = "merge_remote_state"
	eventJoin     = "node_join"
	eventLeave    = "node_leave"
	eventUpdate   = "node_update"
	eventConflict = "node_conflict"
)

// gossipVersion is the version of memberlist's protocol.
const gossipVersion = 2

// meters are the node's own metrics: those that users of Alloy's dashboards
// know, by their names, and ours, which begin with divvy_cluster_. What can be
// asked is asked when they are collected.
type meters struct {
	n          *Node
	events     map[string]prometheus.Counter
	broadcasts prometheus.Counter
	publishing prometheus.Histogram
	takeover   prometheus.Histogram
	refused    *prometheus.CounterVec // by reason
	counted    []prometheus.Collector // all of the above

	info, peers, lamport, protocol, health, members  *prometheus.Desc
	updating, observers, minimum, admits             *prometheus.Desc
	transitions, deaths, falseDeaths, postponed      *prometheus.Desc
	disagreements, disagreed, fenced, skew, expected *prometheus.Desc
}

func newMeters(n *Node) *meters {
	cluster := prometheus.Labels{"cluster_name": clean(n.cfg.Cluster)}
	m := &meters{n: n, events: map[string]prometheus.Counter{}}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, cluster)
	}
	m.info = desc("cluster_node_info", "1, with the state of this node.", "state")
	m.peers = desc("cluster_node_peers", "Healthy nodes by state, this one included.", "state")
	m.lamport = prometheus.NewDesc("cluster_node_lamport_time", "Lamport clock of the states.", nil, nil)
	m.protocol = desc("cluster_node_gossip_proto_version", "Version of the gossip protocol.")
	m.health = desc("cluster_node_gossip_health_score", "How unhealthy the gossip finds this node; 0: healthy.")
	m.members = desc("cluster_node_gossip_alive_peers", "Living members of the gossip, this one included.")
	m.updating = desc("cluster_node_updating", "1 while a new view is being published.")
	m.observers = desc("cluster_node_update_observers", "Places where a new view is published.")
	m.minimum = desc("cluster_minimum_size", "Members that are needed before any of them owns anything.")
	m.admits = desc("cluster_ready_for_traffic", "1 if there are enough members, or too few for long enough.")
	m.transitions = desc("divvy_cluster_transitions_total", "Dates of joining and leaving nodes that came into force.")
	m.deaths = desc("divvy_cluster_deaths_total", "Nodes found dead.")
	m.falseDeaths = desc("divvy_cluster_false_deaths_total", "Times that this node was found dead while it lived, and said so.")
	m.postponed = desc("divvy_cluster_postponed_dates_total", "Own dates that were moved because a peer had not heard of them.")
	m.disagreements = desc("divvy_cluster_disagreements_total", "Times that a peer saw another cluster for over a second.")
	m.disagreed = desc("divvy_cluster_unconverged_seconds", "For how long some peer has seen another cluster; 0: none does.")
	m.fenced = desc("divvy_cluster_fenced_seconds_total", "Time between withdrawing at once and serving again.")
	m.skew = desc("divvy_cluster_clock_skew_seconds", "A peer's clock less this node's.", "peer")
	m.expected = desc("divvy_cluster_peers_missing", "1 if peers were expected and none was found.")
	m.count(cluster)
	return m
}

// count makes the metrics that are counted where things happen.
func (m *meters) count(cluster prometheus.Labels) {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cluster_node_gossip_received_events_total", Help: "Gossip events handled, by kind.", ConstLabels: cluster}, []string{"event"})
	for _, kind := range []string{eventState, eventUnknown, eventLocal, eventRemote, eventJoin, eventLeave, eventUpdate, eventConflict} {
		m.events[kind] = events.WithLabelValues(kind)
	}
	broadcasts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cluster_node_gossip_broadcasts_total", Help: "Messages given to the gossip, by kind.", ConstLabels: cluster}, []string{"event"})
	m.broadcasts = broadcasts.WithLabelValues(eventState)
	m.publishing = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "cluster_node_update_duration_seconds", Help: "Time to publish a new view.", ConstLabels: cluster})
	m.takeover = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "divvy_cluster_takeover_seconds", ConstLabels: cluster,
		Help:    "From the last proof of life of a node to the first view without it.",
		Buckets: []float64{0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 30, 60}})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "divvy_cluster_refused_requests_total", Help: "Requests to the routes among nodes that were refused, by reason.", ConstLabels: cluster}, []string{"reason"})
	m.counted = []prometheus.Collector{events, broadcasts, m.publishing, m.takeover, m.refused}
}

func (m *meters) event(kind string) { m.events[kind].Inc() }

// Describe sends the descriptions of all metrics.
func (m *meters) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.counted {
		c.Describe(ch)
	}
	for _, d := range []*prometheus.Desc{
		m.info, m.peers, m.lamport, m.protocol, m.health, m.members, m.updating, m.observers, m.minimum, m.admits, m.transitions, m.deaths,
		m.falseDeaths, m.postponed, m.disagreements, m.disagreed, m.fenced, m.skew, m.expected,
	} {
		ch <- d
	}
}

// Collect sends all metrics as they are now.
func (m *meters) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.counted {
		c.Collect(ch)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	n, now := m.n, time.Now().Round(0)
	members, health := n.list.NumMembers(), n.list.GetHealthScore()
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.roster.Counts(now)
	gauge(m.info, 1, n.states.Of(n.cfg.Name).String())
	for _, s := range []ckit.State{ckit.Viewer, ckit.Participant, ckit.Terminating} {
		gauge(m.peers, float64(n.states.Count(s)), s.String())
	}
	gauge(m.lamport, float64(n.states.Now()))
	gauge(m.protocol, gossipVersion)
	gauge(m.health, float64(health))
	gauge(m.members, float64(members))
	gauge(m.updating, 0) // a view is published in one step, while mu is held
	gauge(m.observers, 1)
	gauge(m.minimum, float64(n.cfg.Quorum.Size))
	gauge(m.admits, number(n.view.Load().Admits(now)))
	counter(m.transitions, float64(c.Transitions))
	counter(m.deaths, float64(c.Deaths))
	counter(m.falseDeaths, float64(c.FalseDeaths))
	counter(m.postponed, float64(c.Postponed))
	counter(m.disagreements, float64(c.Disagreement))
	gauge(m.disagreed, n.roster.Disagreed(now).Seconds())
	counter(m.fenced, c.Fenced.Seconds())
	for peer, skew := range n.roster.Skews(now) {
		gauge(m.skew, skew.Seconds(), peer)
	}
	gauge(m.expected, number(n.alone != ""))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// clean makes a name fit for a label: what peers call themselves may be
// anything.
func clean(name string) string { return strings.ToValidUTF8(name, "?") }

// stateOf returns the state that other software is told of an entry.
func stateOf(e roster.Entry, now time.Time) ckit.State {
	switch {
	case !e.Until.IsZero() && !now.Before(e.Until):
		return ckit.Terminating
	case e.From.IsZero() || now.Before(e.From):
		return ckit.Viewer
	}
	return ckit.Participant
}
