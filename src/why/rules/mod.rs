//! The rules: each a small file with a pure function from facts and an object to a finding, and a line in one table.
//!
//! A new rule is a file, a `mod` line and a line of the table; its `name` is what `-o json` prints. Rules for Pods are
//! asked in the table's order until one knows the cause; all others are asked about everything.

use serde_json::Value;

use super::facts::Facts;
use super::finding::{Finding, Rank};

mod admission;
mod application_exits;
mod autoscaler;
mod cannot_start;
mod claim;
mod claim_static;
mod configuration;
mod evicted;
mod image;
mod image_asked;
mod image_local;
mod image_registry;
mod ingress;
mod job;
mod liveness;
mod load_balancer;
mod missing_claim;
mod mount;
mod namespace;
mod network_policy;
mod node;
mod not_ready;
mod out_of_memory;
mod readiness;
mod rollout;
mod scheduling;
mod scheduling_others;
mod service;
pub mod target_port;
mod terminating;
mod words;

/// One rule of the table.
pub struct Rule {
    /// Its name, as `-o json` prints it.
    pub name: &'static str,
    /// The kinds of objects it is asked about.
    pub kinds: &'static [&'static str],
    /// Whether it finds causes or symptoms.
    pub rank: Rank,
    /// What it finds at an object.
    pub check: fn(&Facts, &Value) -> Option<Finding>,
}

const fn cause(
    name: &'static str,
    kinds: &'static [&'static str],
    check: fn(&Facts, &Value) -> Option<Finding>,
) -> Rule {
    Rule { name, kinds, rank: Rank::Cause, check }
}

const fn symptom(
    name: &'static str,
    kinds: &'static [&'static str],
    check: fn(&Facts, &Value) -> Option<Finding>,
) -> Rule {
    Rule { name, kinds, rank: Rank::Symptom, check }
}

const POD: &[&str] = &["Pod"];
const CLAIM: &[&str] = &["PersistentVolumeClaim"];
const INGRESS: &[&str] = &["Ingress"];
const AUTOSCALER: &[&str] = &["HorizontalPodAutoscaler"];
const SERVICE: &[&str] = &["Service"];
const NODE: &[&str] = &["Node"];
const CREATORS: &[&str] = &["ReplicaSet", "StatefulSet", "DaemonSet", "Job"];

/// Every rule. For Pods the order counts: the more a rule knows, the earlier it is asked.
pub const RULES: &[Rule] = &[
    cause("stuck-terminating", &["Pod", "PersistentVolumeClaim"], terminating::check),
    symptom("node-lost", POD, node::lost),
    cause("evicted", POD, evicted::check),
    cause("invalid-image-name", POD, image::invalid_name),
    cause("image-pull-policy", POD, image_local::pull_policy),
    cause("image-not-loaded", POD, image_local::not_loaded),
    cause("image-wrong-platform", POD, image::wrong_platform),
    cause("image-never-pulled", POD, image_local::never_pulled),
    cause("private-registry", POD, image_registry::private),
    cause("wrong-image", POD, image::wrong),
    cause("registry-certificate", POD, image_registry::certificate),
    cause("registry-unreachable", POD, image_registry::unreachable),
    cause("image-pull-failed", POD, image_registry::other),
    cause("missing-key", POD, configuration::missing_key),
    cause("missing-configuration", POD, configuration::missing),
    cause("runs-as-root", POD, configuration::runs_as_root),
    cause("mount-failed", POD, mount::check),
    cause("wrong-architecture", POD, cannot_start::wrong_architecture),
    cause("program-not-found", POD, cannot_start::not_found),
    cause("out-of-memory", POD, out_of_memory::check),
    cause("liveness-probe", POD, liveness::liveness),
    cause("startup-probe", POD, liveness::startup),
    cause("network-policy", POD, network_policy::check),
    cause("application-exits", POD, application_exits::check),
    cause("missing-claim", POD, missing_claim::check),
    symptom("claim-unbound", POD, missing_claim::unbound),
    cause("node-selector", POD, scheduling::selector),
    cause("taints", POD, scheduling::taints),
    cause("too-large", POD, scheduling::too_large),
    cause("host-port", POD, scheduling_others::host_port),
    cause("pod-affinity", POD, scheduling_others::affinity),
    cause("unschedulable", POD, scheduling_others::other),
    cause("readiness-probe", POD, readiness::check),
    symptom("pod-not-ready", POD, not_ready::check),
    cause("missing-service-account", CREATORS, admission::service_account),
    cause("quota-exceeded", CREATORS, admission::quota),
    cause("quota-needs-resources", CREATORS, admission::quota_needs),
    cause("limit-range", CREATORS, admission::limit_range),
    cause("pod-security", CREATORS, admission::pod_security),
    cause("pods-refused", CREATORS, admission::other),
    symptom("rollout-stuck", &["Deployment"], rollout::stuck),
    symptom("replicas-missing", &["Deployment", "StatefulSet", "DaemonSet"], rollout::missing),
    symptom("job-failed", &["Job"], job::check),
    cause("service-selector", SERVICE, service::selector),
    cause("target-port", SERVICE, target_port::check),
    symptom("service-not-ready", SERVICE, service::not_ready),
    cause("load-balancer-pending", SERVICE, load_balancer::check),
    cause("ingress-addon-off", INGRESS, ingress::addon_off),
    cause("ingress-class", INGRESS, ingress::class),
    cause("ingress-service", INGRESS, ingress::service),
    cause("ingress-port", INGRESS, ingress::port),
    cause("ingress-secret", INGRESS, ingress::secret),
    cause("claim-class", CLAIM, claim::class),
    cause("claim-no-volume", CLAIM, claim_static::check),
    cause("claim-no-provisioner", CLAIM, claim::no_provisioner),
    cause("claim-waits", CLAIM, claim::waits),
    cause("claim-provisioning-failed", CLAIM, claim::failed),
    cause("autoscaler-target", AUTOSCALER, autoscaler::target),
    cause("autoscaler-requests", AUTOSCALER, autoscaler::requests),
    cause("autoscaler-metrics", AUTOSCALER, autoscaler::metrics),
    symptom("autoscaler-inactive", AUTOSCALER, autoscaler::inactive),
    cause("node-container", NODE, node::container),
    cause("node-not-ready", NODE, node::not_ready),
    cause("node-pressure", NODE, node::pressure),
    cause("node-cordoned", NODE, node::cordoned),
    cause("namespace-terminating", &["Namespace"], namespace::check),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kinds_are_known() {
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        let known: Vec<&str> = super::super::target::kinds().collect();
        assert!(RULES.iter().flat_map(|rule| rule.kinds).all(|kind| known.contains(kind)));
    }
}
