//! Whether one object does what it is for, read from its status alone.

use serde_json::Value;

use crate::kubernetes::kinds::{self, Kind};

/// The kinds whose status tells.
const TELLING: [Kind; 10] = [
    kinds::POD,
    kinds::DEPLOYMENT,
    kinds::REPLICA_SET,
    kinds::STATEFUL_SET,
    kinds::DAEMON_SET,
    kinds::SERVICE,
    kinds::INGRESS,
    kinds::JOB,
    kinds::CLAIM,
    kinds::CUSTOM_RESOURCE_DEFINITION,
];

/// The kind of an object that one can wait for; none when it works as soon as it exists.
pub fn kind_of(object: &Value) -> Option<&'static Kind> {
    const KINDS: &[Kind] = &TELLING;
    let kind = KINDS.iter().find(|kind| object["kind"] == kind.kind)?;
    let is_balancer = object["spec"]["type"] == "LoadBalancer";
    (*kind != kinds::SERVICE || is_balancer).then_some(kind)
}

/// What is missing until the object works; nothing when it does.
pub fn missing(object: &Value) -> Option<String> {
    let status = &object["status"];
    match object["kind"].as_str() {
        Some("Pod") => {
            let ready = is_true(object, "Ready");
            let phase = status["phase"].as_str().unwrap_or("not seen yet");
            (!ready && phase != "Succeeded").then(|| format!("it is {phase}"))
        }
        Some("Service" | "Ingress") => {
            let addresses = status["loadBalancer"]["ingress"].as_array().map_or(0, Vec::len);
            (addresses == 0).then(|| "it has no address".to_owned())
        }
        Some("Job") => (!is_true(object, "Complete")).then(|| {
            let (done, wanted) = (status["succeeded"].as_u64().unwrap_or(0), &object["spec"]["completions"]);
            format!("{done} of {} done", wanted.as_u64().unwrap_or(1))
        }),
        Some("PersistentVolumeClaim") => (status["phase"] != "Bound").then(|| "it is not bound".to_owned()),
        Some("CustomResourceDefinition") => {
            (!is_true(object, "Established")).then(|| "it is not established".to_owned())
        }
        Some("DaemonSet") => {
            replicas(object, status["desiredNumberScheduled"].as_u64(), "numberReady", "updatedNumberScheduled")
        }
        Some("ReplicaSet") => replicas(object, object["spec"]["replicas"].as_u64(), "availableReplicas", "replicas"),
        Some(_) => replicas(object, object["spec"]["replicas"].as_u64(), "availableReplicas", "updatedReplicas"),
        None => None,
    }
}

/// Why an object will never work, however long one waits.
pub fn failed(object: &Value) -> Option<String> {
    let because = |condition: &Value| {
        let text = |key: &str| condition[key].as_str().filter(|text| !text.is_empty());
        text("message").or(text("reason")).unwrap_or("no reason is given").to_owned()
    };
    match object["kind"].as_str() {
        Some("Pod") if object["status"]["phase"] == "Failed" => Some(because(&object["status"])),
        Some("Job") => condition(object, "Failed", "True").map(because),
        Some("CustomResourceDefinition") => condition(object, "NamesAccepted", "False").map(because),
        _ => None,
    }
}

fn condition<'o>(object: &'o Value, kind: &str, status: &str) -> Option<&'o Value> {
    let all = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|c| c["type"] == kind && c["status"] == status)
}

fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind, "True").is_some()
}

/// The controller must have seen the newest wish, and fulfilled it.
fn replicas(object: &Value, wanted: Option<u64>, available: &str, updated: &str) -> Option<String> {
    let status = &object["status"];
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    let (wanted, there) = (wanted.unwrap_or(1), count(available).min(count(updated)));
    let seen = status["observedGeneration"].as_u64() >= object["metadata"]["generation"].as_u64();
    (!seen || there < wanted).then(|| format!("{there} of {wanted} available"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_balanced_service_is_waited_for() {
        assert_eq!(kind_of(&json!({"kind": "Service", "spec": {"type": "LoadBalancer"}})), Some(&kinds::SERVICE));
        assert_eq!(kind_of(&json!({"kind": "Service", "spec": {"type": "NodePort"}})), None);
        assert_eq!(kind_of(&json!({"kind": "ConfigMap"})), None);
        assert_eq!(kind_of(&json!({"kind": "Pod"})), Some(&kinds::POD));
    }

    #[test]
    fn what_has_failed_is_not_waited_for() {
        let job = |kind: &str| json!({"kind": "Job", "status": {"succeeded": 1, "conditions": [{"type": kind, "status": "True", "message": "too often"}]}});
        assert_eq!((missing(&job("Complete")), failed(&job("Complete"))), (None, None));
        assert_eq!(missing(&job("Failed")).as_deref(), Some("1 of 1 done"));
        assert_eq!(failed(&job("Failed")).as_deref(), Some("too often"));
        assert!(failed(&json!({"kind": "Pod", "status": {"phase": "Failed"}})).is_some());
        assert_eq!(failed(&json!({"kind": "Pod", "status": {"phase": "Running"}})), None);
        let definition = json!({"kind": "CustomResourceDefinition", "status": {"conditions": []}});
        assert_eq!(missing(&definition).as_deref(), Some("it is not established"));
    }

    #[test]
    fn a_deployment_works_when_its_newest_replicas_are_available() {
        let deployment = |generation: u64, updated: u64, available: u64| {
            json!({
                "kind": "Deployment", "metadata": {"generation": generation}, "spec": {"replicas": 2},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "availableReplicas": available},
            })
        };
        assert_eq!(missing(&deployment(2, 2, 2)), None);
        assert_eq!(missing(&deployment(2, 1, 2)).as_deref(), Some("1 of 2 available"));
        assert_eq!(missing(&deployment(2, 2, 0)).as_deref(), Some("0 of 2 available"));
        assert!(missing(&deployment(3, 2, 2)).is_some(), "an older wish was fulfilled");
    }

    #[test]
    fn pods_must_be_ready_and_ingresses_have_an_address() {
        let pod = |phase: &str, ready: &str| json!({"kind": "Pod", "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}});
        assert_eq!(missing(&pod("Running", "True")), None);
        assert_eq!(missing(&pod("Running", "False")).as_deref(), Some("it is Running"));
        assert_eq!(missing(&pod("Succeeded", "False")), None);
        assert_eq!(missing(&json!({"kind": "Ingress"})).as_deref(), Some("it has no address"));
        let with = json!({"kind": "Ingress", "status": {"loadBalancer": {"ingress": [{"ip": "172.30.0.200"}]}}});
        assert_eq!(missing(&with), None);
    }
}
