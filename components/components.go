// Package components adapts the engines to the pipeline: one small file for
// each kind of component, and All, the list of them.
//
// An adapter has three parts: the arguments and exports as structs with alloy
// tags, with their defaults and rules; a function that builds an instance from
// them; and the instance, which hands the arguments to an engine and runs it.
// What an engine does is told there, not here.
//
// To add a kind, write its file and add a line to All. The test of the
// argument tables then says what is missing.
//
// Invariant: an argument that cannot work is refused by Validate, with the
// reason; one that is accepted has its effect, or the comment of its field
// says why it has none.
package components

import (
	"github.com/divvy-collector/divvy/components/kubernetes"
	"github.com/divvy-collector/divvy/components/pyroscope"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/live"
)

// All lists every kind of component, in the order of the manual.
func All() []component.Kind {
	return []component.Kind{
		component.Of[dnsSDArguments, targetsExport]("discovery.dns", newFinder(dnsSDArguments.source)).Shows(live.Targets),
		component.Of[fileSDArguments, targetsExport]("discovery.file", newFinder(fileSDArguments.source)).Shows(live.Targets),
		component.Of[httpSDArguments, targetsExport]("discovery.http", newFinder(httpSDArguments.source)).Shows(live.Targets),
		component.Of[kubeletSDArguments, targetsExport]("discovery.kubelet", newFinder(kubeletSDArguments.source)).Shows(live.Targets),
		component.Of[kubernetesSDArguments, targetsExport]("discovery.kubernetes", newDiscoveryKubernetes).Shows(live.Targets),
		component.Of[targetRules, targetRulesExport]("discovery.relabel", newDiscoveryRelabel).Shows(live.Targets),
		component.Of[localFileArguments, contentExport]("local.file", newLocalFile),
		component.Of[echoArguments, echoExport]("prometheus.echo", newPrometheusEcho),
		component.Of[component.None, targetsExport]("prometheus.exporter.self", newExporterSelf),
		kubernetes.PodMonitors(),
		kubernetes.Probes(),
		kubernetes.ScrapeConfigs(),
		kubernetes.ServiceMonitors(),
		component.Of[receiveArguments, component.None]("prometheus.receive_http", newReceiveHTTP).Shows(live.Metrics),
		component.Of[relabelArguments, relabelExports]("prometheus.relabel", newPrometheusRelabel).Shows(live.Metrics),
		component.Of[remoteWriteArguments, remoteWriteExports]("prometheus.remote_write", newRemoteWrite).Shows(live.Metrics),
		component.Of[scrapeArgs, component.None]("prometheus.scrape", newScrape).Shows(live.Metrics),
		pyroscope.Echo(),
		pyroscope.ReceiveHTTP(),
		pyroscope.Relabel(),
		pyroscope.Scrape(),
		pyroscope.Write(),
		component.Of[remoteHTTPArguments, contentExport]("remote.http", newRemoteHTTP),
		component.Of[remoteKubernetesArguments, kubernetesExport]("remote.kubernetes.configmap", newRemoteKubernetes(kubernetesConfigMap())),
		component.Of[remoteKubernetesArguments, kubernetesExport]("remote.kubernetes.secret", newRemoteKubernetes(kubernetesSecret())),
	}
}
