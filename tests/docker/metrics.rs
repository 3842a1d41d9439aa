//! metrics-server: figures of every node and Pod, certificates verified both ways, autoscalers that read them.

use serde_json::Value;

use crate::Case;
use crate::cluster::condition;
use crate::scene::Scene;
use crate::shared;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("figures_and_autoscalers", figures_and_autoscalers)];

const NAMESPACE: &str = "kt-metrics";

fn figures_and_autoscalers(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    cluster.apply(MANIFEST);
    until("every node has figures", seconds(120), || {
        let run = cluster.kubectl(&["top", "nodes", "--no-headers"]);
        let all = shared.nodes.iter().all(|node| run.out().contains(node.as_str()));
        if run.status == 0 && all && !run.out().contains("unknown") { Ok(()) } else { Err(run.to_string()) }
    });
    until("the Pod has figures", seconds(90), || {
        let run = cluster.kubectl(&["top", "pods", "-n", NAMESPACE, "--no-headers"]);
        if run.status == 0 && run.out().starts_with("burner-") { Ok(()) } else { Err(run.to_string()) }
    });
    until("the autoscaler has figures", seconds(120), || {
        let autoscaler = cluster.get(&["hpa", "burner", "-n", NAMESPACE]);
        let figure = &autoscaler["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"];
        let active = condition(&autoscaler, "ScalingActive") == "True";
        if active && figure.is_u64() { Ok(()) } else { Err(autoscaler["status"].to_string()) }
    });

    let service = cluster.get(&["apiservice", "v1beta1.metrics.k8s.io"]);
    assert_eq!(condition(&service, "Available"), "True");
    assert_eq!(service["spec"]["insecureSkipTLSVerify"], Value::Null, "the API server must verify it");
    assert!(service["spec"]["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty()));
    let deployment = cluster.get(&["deployment", "metrics-server", "-n", "kube-system"]);
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(!arguments.contains("insecure"), "it must verify kubelets: {arguments}");
    cluster.kubectl(&["delete", "namespace", NAMESPACE]).ok();
}

const MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: kt-metrics}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: burner, namespace: kt-metrics}
spec:
  selector: {matchLabels: {app: burner}}
  template:
    metadata: {labels: {app: burner}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: burner
          image: knarr.dev/busybox:v1.37
          command: [sleep, '3600']
          resources: {requests: {cpu: 10m, memory: 8Mi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: burner, namespace: kt-metrics}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: burner}
  minReplicas: 1
  maxReplicas: 2
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
";
