//! Labels and taints of a Node: who may set which.

use std::collections::BTreeMap;

use crate::plan::layout::NodeLayout;
use crate::spec::Role;
use crate::spec::values::Taint;

const CONTROL_PLANE_ROLE: &str = "node-role.kubernetes.io/control-plane";

/// Labels of the kubernetes.io name spaces that a kubelet may give itself (kubelet/pkg/apis/well_known_labels.go).
const SELF_SERVICE: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
/// Name spaces below which a kubelet may give itself any label.
const SELF_SERVICE_SPACES: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];

/// The labels that the kubelet gives itself when it registers (`--node-labels`).
pub(super) fn kubelet_labels(node: &NodeLayout) -> BTreeMap<String, String> {
    node.spec.labels.clone().into_iter().filter(|(key, _)| kubelet_may_set(key)).collect()
}

/// The labels that only an administrator may set: the role's, and those of the user that the API server's
/// NodeRestriction plugin (or the kubelet itself) would refuse.
pub(super) fn admin_labels(node: &NodeLayout) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> =
        node.spec.labels.clone().into_iter().filter(|(key, _)| !kubelet_may_set(key)).collect();
    if node.spec.role == Role::ControlPlane {
        // Not excluded from load balancers, as control planes elsewhere are: the addon `ingress` runs here.
        labels.insert(CONTROL_PLANE_ROLE.into(), String::new());
    }
    labels
}

/// The taints with which the kubelet registers.
pub(super) fn taints(node: &NodeLayout) -> Vec<Taint> {
    node.spec.taints.clone().unwrap_or_default()
}

/// The taints of a node of which nobody said any: control planes are left to Kubernetes itself where there are workers
/// to do the work.
pub fn default_taints(role: Role, has_workers: bool) -> Vec<Taint> {
    if role == Role::ControlPlane && has_workers {
        vec![Taint { key: CONTROL_PLANE_ROLE.into(), value: String::new(), effect: "NoSchedule".into() }]
    } else {
        Vec::new()
    }
}

fn kubelet_may_set(key: &str) -> bool {
    let Some((space, _)) = key.split_once('/') else { return true };
    let within = |parent: &str| space == parent || space.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    if !within("kubernetes.io") && !within("k8s.io") {
        return true;
    }
    SELF_SERVICE.contains(&key) || SELF_SERVICE_SPACES.iter().any(|space| within(space))
}

#[cfg(test)]
mod tests {
    use super::kubelet_may_set;

    #[test]
    fn a_kubelet_labels_itself_only_with_what_is_harmless() {
        for key in ["team", "example.com/rack", "topology.kubernetes.io/zone", "x.node.kubernetes.io/y", "notk8s.io/x"]
        {
            assert!(kubelet_may_set(key), "{key}");
        }
        for key in [
            "node-role.kubernetes.io/worker",
            "node-restriction.kubernetes.io/fips",
            "a.node-restriction.kubernetes.io/fips",
            "kubernetes.io/role",
            "x.k8s.io/y",
        ] {
            assert!(!kubelet_may_set(key), "{key}");
        }
    }
}
