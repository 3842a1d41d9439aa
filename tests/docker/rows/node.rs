//! Nodes: kubelet, kube-proxy and containerd on each, and a Pod on each.

use std::collections::BTreeSet;

use super::namespace::Namespace;
use crate::shared::Shared;

const ON_EVERY_NODE: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: hello, image: 'knarr.dev/hello:v1', env: [{name: DRAIN, value: 0s}]}]
";

pub fn every_node_runs_pods(shared: &Shared<'_>) {
    let wide = shared.cluster.kubectl(&["get", "nodes", "-o", "wide"]).ok().out();
    for node in &shared.nodes {
        let line = wide.lines().find(|line| line.split_whitespace().next() == Some(node));
        let line = line.unwrap_or_else(|| panic!("no {node} in\n{wide}"));
        assert!(line.contains(" Ready ") && line.contains("containerd://2.") && line.contains("v1.36."), "{line}");
    }
    let space = Namespace::create(&shared.cluster, "row-node");
    space.kubectl_reading(&["apply", "-f", "-"], ON_EVERY_NODE.as_bytes()).ok();
    space.kubectl(&["rollout", "status", "daemonset/everywhere", "--timeout=60s"]).ok();
    let pods = space.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]).ok().out();
    let on: BTreeSet<&str> = pods.split_whitespace().collect();
    assert_eq!(on, shared.nodes.iter().map(String::as_str).collect());
}
