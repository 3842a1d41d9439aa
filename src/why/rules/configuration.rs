//! What a container takes from ConfigMaps and Secrets and does not find, and what the kubelet refuses to run.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::{Container, containers};
use super::super::finding::Finding;
use super::super::look::{Look, between, some};
use super::{mount, words};

/// The first container that cannot be made, or the volume that cannot be mounted, with the kubelet's words.
fn refused<'f>(facts: &'f Facts, pod: &'f Value) -> Option<(Option<Container<'f>>, &'f str)> {
    let waiting = containers(pod).into_iter().find(|c| c.waiting().0 == "CreateContainerConfigError");
    waiting.map(|c| (Some(c), c.waiting().1)).or_else(|| mount::failure(facts, pod).map(|message| (None, message)))
}

pub fn missing(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(facts, pod)?;
    let (kind, name) = [("ConfigMap", "configmap \""), ("Secret", "secret \"")]
        .into_iter()
        .find_map(|(kind, before)| Some((kind, between(message, before, "\" not found")?)))?;
    let (namespace, short) = (pod.namespace(), kind.to_lowercase());
    let known = facts.names(kind, namespace);
    let known: Vec<&str> = known.into_iter().filter(|other| *other != "kube-root-ca.crt").collect();
    let near = words::nearest(name, &known);
    let who = container.map_or_else(|| "a volume of the Pod".to_owned(), |c| c.shown());
    let create = if kind == "Secret" { "create secret generic" } else { "create configmap" };
    let has = if known.is_empty() {
        format!("the namespace has no {kind}")
    } else {
        format!("the namespace has: {}", some(&known, 5))
    };
    let finding = Finding::new(format!(
        "The {kind} `{name}`, from which {who} is filled, does not exist in namespace `{namespace}`{near}."
    ))
    .line(message)
    .line(has);
    let finding = if near.is_empty() { finding } else { finding.try_all(words::edit(facts, pod)) };
    Some(
        finding
            .try_(facts.kubectl(namespace, &format!("{create} {name} --from-literal=KEY=VALUE")))
            .try_(facts.kubectl(namespace, &format!("get {short}s"))),
    )
}

pub fn missing_key(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(facts, pod)?;
    let namespace = pod.namespace();
    let (key, kind, name) = match between(message, "couldn't find key ", " in ") {
        Some(key) => {
            let (kind, path) = message.split_once(" in ")?.1.split_once(' ')?;
            (key, kind, path.rsplit('/').next()?)
        }
        None => volume_key(facts, pod, message)?,
    };
    let object = facts.one(kind, namespace, name);
    let keys: Vec<&str> = object.map(|o| o.texts("/data").into_keys().collect()).unwrap_or_default();
    let who = container.map_or_else(|| "a volume of the Pod".to_owned(), |c| c.shown());
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let patch =
        format!("patch {} {name} --type=merge -p '{{\"{field}\":{{\"{key}\":\"VALUE\"}}}}'", kind.to_lowercase());
    let near = words::nearest(key, &keys);
    let finding = Finding::new(format!("The {kind} `{name}` has no key `{key}`, which {who} wants{near}."))
        .line(message)
        .line(format!("its keys: {}", if keys.is_empty() { "none".to_owned() } else { some(&keys, 8) }));
    let finding = if near.is_empty() { finding } else { finding.try_all(words::edit(facts, pod)) };
    Some(finding.try_(facts.kubectl(namespace, &patch)))
}

/// `references non-existent secret key: tls.crt`: the kubelet names the volume, not the object.
fn volume_key<'f>(facts: &Facts, pod: &'f Value, message: &'f str) -> Option<(&'f str, &'static str, &'f str)> {
    let key = message.split_once("references non-existent ")?.1.split_once("key: ")?.1;
    let volume = between(message, "for volume \"", "\"")?;
    let volume = pod.list("/spec/volumes").iter().find(|v| v.text("/name") == volume)?;
    let found = [("ConfigMap", volume.text("/configMap/name")), ("Secret", volume.text("/secret/secretName"))];
    let (kind, name) = found.into_iter().find(|(kind, name)| facts.one(kind, pod.namespace(), name).is_some())?;
    Some((key, kind, name))
}

pub fn runs_as_root(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(facts, pod)?;
    let container = container?;
    if !message.contains("runAsNonRoot") {
        return None;
    }
    let why = if message.contains("non-numeric user") {
        "the image names its user by a word, which may be root"
    } else {
        "the image runs as root"
    };
    Some(
        Finding::new(format!("The {} must not run as root (`runAsNonRoot: true`), but {why}.", container.shown()))
            .line(message.split(" (pod:").next().unwrap_or(message))
            .line("name a user by number (`runAsUser: 65532`) in the securityContext, or `USER 65532` in the image")
            .try_all(words::edit(facts, pod)),
    )
}
