package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// Bounds on what is asked for, so that a slip of the hand ends with an error.
const (
	maxNodes   = 10_000
	maxTargets = 10_000_000
)

// restartAfter is how long a node that left takes to come back: to stop, to
// start, and to be ready to serve.
const restartAfter = 7 * time.Second

// ParseNodes reads a number of nodes, which are then called a, b, c, …, or their
// names: a,b,c@2, where what follows the @ is a capacity.
func ParseNodes(text string) ([]Node, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > maxNodes {
			return nil, fmt.Errorf("%d nodes are none of 1 to %d", n, maxNodes)
		}
		nodes := make([]Node, n)
		for i := range nodes {
			nodes[i].Name = nameOf(i)
		}
		return nodes, nil
	}
	var nodes []Node
	for part := range strings.SplitSeq(text, ",") {
		n, err := parseNode(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// nameOf returns a, b, …, z, aa, ab, …
func nameOf(i int) string {
	name := string(rune('a' + i%26))
	if i < 26 {
		return name
	}
	return nameOf(i/26-1) + name
}

// parseNode reads NAME or NAME@CAPACITY.
func parseNode(text string) (Node, error) {
	name, capacity, limited := strings.Cut(text, "@")
	if name == "" {
		return Node{}, fmt.Errorf("node %q has no name", text)
	}
	n := Node{Name: name}
	if limited {
		c, err := strconv.ParseFloat(capacity, 64)
		if err != nil || !(c > 0) || math.IsInf(c, 1) {
			return Node{}, fmt.Errorf("node %q: capacity %q is no positive number", name, capacity)
		}
		n.Capacity = c
	}
	return n, nil
}

// ParseEvents reads a list such as 60s:join d,120s:leave a. A colon may stand in
// place of the space.
func ParseEvents(text string) ([]Event, error) {
	var events []Event
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		list, err := parseEvent(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("event %q %w; write it like 60s:join d", part, err)
		}
		events = append(events, list...)
	}
	return events, nil
}

// parseEvent reads one event; a restart is two.
func parseEvent(text string) ([]Event, error) {
	when, what, ok := strings.Cut(text, ":")
	if !ok {
		return nil, errors.New("does not say when")
	}
	at, err := time.ParseDuration(when)
	if err != nil || at < 0 {
		return nil, fmt.Errorf("comes at %q, which is no time since the start", when)
	}
	deed, who, ok := strings.Cut(strings.Replace(what, ":", " ", 1), " ")
	if !ok {
		return nil, errors.New("names no node")
	}
	n, err := parseNode(strings.TrimSpace(who))
	if err != nil {
		return nil, err
	}
	e := Event{At: at, Do: Deed(deed), Node: n.Name, Capacity: n.Capacity}
	switch e.Do {
	case Join, Leave, Kill, Vanish:
		return []Event{e}, nil
	case "restart":
		e.Do = Leave
		return []Event{e, {At: at + restartAfter, Do: Join, Node: n.Name, Capacity: n.Capacity}}, nil
	}
	return nil, fmt.Errorf("does %q, which is none of join, leave, kill, vanish, restart", deed)
}

// Targets returns n targets that are alike but for their names.
func Targets(n int, each Target) ([]Target, error) {
	if n < 0 || n > maxTargets {
		return nil, fmt.Errorf("%d targets are none of 0 to %d", n, maxTargets)
	}
	list := make([]Target, n)
	for i := range list {
		address := fmt.Sprintf("target-%05d:9100", i+1)
		t := each
		t.Name = "http://" + address + "/metrics"
		t.Key = owner.TargetKey(labels.FromStrings(model.AddressLabel, address))
		list[i] = t
	}
	return list, nil
}

// ParseTargets reads targets: groups as HTTP service discovery and files give
// them, [{"targets": ["host:port"], "labels": {}}], or one URL or host:port on
// each line, where # begins a comment. Targets with one key are one. What a
// target does not say of itself is each's.
//
// Keys are those of targets that go from discovery to the scrape as they are:
// rules between the two change keys, and with them who owns which target, but
// not how many.
func ParseTargets(text []byte, each Target) ([]Target, error) {
	var found []labels.Labels
	var err error
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '[' {
		found, err = parseGroups(trimmed)
	} else {
		found, err = parseLines(string(text))
	}
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("there are no targets")
	}
	seen := map[owner.Key]bool{}
	var list []Target
	for _, lb := range found {
		t, err := targetOf(lb, each)
		if err != nil {
			return nil, err
		}
		if !seen[t.Key] {
			seen[t.Key] = true
			list = append(list, t)
		}
	}
	return list, nil
}

// parseGroups reads the targets of HTTP service discovery.
func parseGroups(text []byte) ([]labels.Labels, error) {
	var groups []struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	if err := json.Unmarshal(text, &groups); err != nil {
		return nil, fmt.Errorf("read target groups: %w", err)
	}
	var found []labels.Labels
	for _, g := range groups {
		for _, address := range g.Targets {
			lb := labels.NewBuilder(labels.FromMap(g.Labels))
			found = append(found, lb.Set(model.AddressLabel, address).Labels())
		}
	}
	return found, nil
}

// parseLines reads a URL, or host:port, from each line.
func parseLines(text string) ([]labels.Labels, error) {
	var found []labels.Labels
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		lb, err := parseTarget(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		found = append(found, lb)
	}
	return found, nil
}

// parseTarget returns the labels of a target at a URL. What is usual is left
// out, as discovery does.
func parseTarget(text string) (labels.Labels, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return labels.EmptyLabels(), fmt.Errorf("%q is neither a URL nor host:port", text)
	}
	lb := labels.NewBuilder(labels.FromStrings(model.AddressLabel, u.Host))
	if u.Scheme != "http" {
		lb.Set(model.SchemeLabel, u.Scheme)
	}
	if u.Path != "" && u.Path != "/metrics" {
		lb.Set(model.MetricsPathLabel, u.Path)
	}
	for name, values := range u.Query() {
		lb.Set(model.ParamLabelPrefix+name, values[0])
	}
	return lb.Labels(), nil
}

// targetOf returns the target that labels describe.
func targetOf(lb labels.Labels, each Target) (Target, error) {
	t := each
	t.Key = owner.TargetKey(lb)
	u := url.URL{Scheme: "http", Host: lb.Get(model.AddressLabel), Path: "/metrics"}
	if scheme := lb.Get(model.SchemeLabel); scheme != "" {
		u.Scheme = scheme
	}
	if path := lb.Get(model.MetricsPathLabel); path != "" {
		u.Path = path
	}
	t.Name = u.String()
	if every := lb.Get(model.ScrapeIntervalLabel); every != "" {
		d, err := model.ParseDuration(every)
		if err != nil || d <= 0 {
			return Target{}, fmt.Errorf("target %s: %s %q is no interval", t.Name, model.ScrapeIntervalLabel, every)
		}
		t.Interval = time.Duration(d)
	}
	return t, nil
}
