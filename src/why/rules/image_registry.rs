//! Registries that do not give an image: they want to know who asks, are not trusted, or cannot be reached.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, any, some};
use super::image::{reason, refused};
use super::image_asked::Asked;
use crate::plan::names;
use crate::spec::registries::Mirror;

/// Where an entry of `registries` is to be written.
const CONFIG: &str =
    "it goes into the cluster's whole config, which `get config` prints: `apply` removes what its file does not name";

pub fn private(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    if !any(
        message,
        &[
            "401",
            "403 Forbidden",
            "authorization failed",
            "access denied",
            "unauthorized",
            "authentication required",
            "no basic auth credentials",
        ],
    ) {
        return None;
    }
    let (image, namespace) = (container.image(), pod.namespace());
    let asked = Asked::new(image, message);
    let names: Vec<&str> = pod.list("/spec/imagePullSecrets").iter().map(|secret| secret.text("/name")).collect();
    let account = Some(pod.text("/spec/serviceAccountName")).filter(|name| !name.is_empty()).unwrap_or("default");
    let sentence = if names.is_empty() && message.contains("insufficient_scope") {
        format!(
            "The {asked} gives `{image}` to nobody unknown: it does not exist, or it is private and the Pod names no imagePullSecrets."
        )
    } else if names.is_empty() {
        format!("The {asked} wants a user and a password for `{image}`, and the Pod names no imagePullSecrets.")
    } else {
        format!("The {asked} does not give `{image}` to whoever is in the Secret {}.", some(&names, 3))
    };
    let create = format!(
        "create secret docker-registry registry-login --docker-server={} --docker-username=USER --docker-password=PASSWORD",
        asked.registry
    );
    let patch =
        format!("patch serviceaccount {account} -p '{{\"imagePullSecrets\":[{{\"name\":\"registry-login\"}}]}}'");
    Some(
        Finding::new(sentence)
            .line(reason(message))
            .line("Pods take over a ServiceAccount's imagePullSecrets when they are made: delete the Pod afterwards, or restart its workload")
            .try_(format!("{} && {}", facts.kubectl(namespace, &create), facts.kubectl(namespace, &patch))),
    )
}

pub fn certificate(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    if !any(message, &["x509:", "tls:", "server gave HTTP response to HTTPS client"]) {
        return None;
    }
    let image = container.image();
    let asked = Asked::new(image, message);
    let registry = asked.registry;
    // Go knows HTTP only where the answer begins with `HTTP/`, which is not so of every server.
    let plain = any(message, &["server gave HTTP response", "first record does not look like a TLS handshake"]);
    let finding = if plain {
        let url = asked.mirror.map_or_else(|| format!("http://{registry}"), |url| url.replacen("https:", "http:", 1));
        Finding::new(format!("The {asked} speaks HTTP, and the nodes insist on HTTPS."))
            .line(reason(message))
            .line(format!("`registries: [{{host: \"{registry}\", mirrors: [\"{url}\"]}}]` lets the nodes speak HTTP"))
    } else {
        let sentence = if any(message, &["unknown authority", "self-signed", "self signed"]) {
            format!(
                "The nodes do not trust the certificate of the {asked}: an authority signed it that they do not know."
            )
        } else {
            format!("The nodes cannot speak TLS with the {asked}: its certificate is not valid for it, or not now.")
        };
        Finding::new(sentence)
            .line(reason(message))
            .line("nodes trust what this machine trusts when a cluster is created; a proxy that opens TLS has an authority of its own too")
            .line(format!("`registries: [{{host: \"{registry}\", skipVerify: true}}]` lets any certificate do"))
            .try_("knarr doctor")
    };
    Some(
        finding
            .line(CONFIG)
            .try_(format!("{} >FILE", facts.knarr("get config")))
            .try_(facts.knarr("apply -f FILE"))
            .try_(format!("docker pull {image}")),
    )
}

pub fn unreachable(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    let image = container.image();
    let asked = Asked::new(image, message);
    let unknown = any(message, &["no such host", "server misbehaving", "Temporary failure in name resolution"]);
    let why = if message.contains("proxyconnect") {
        "the proxy between does not answer"
    } else if unknown {
        "no DNS server knows its name (or the machine is offline)"
    } else if message.contains("connection refused") {
        "nobody listens at its address"
    } else if any(message, &["i/o timeout", "deadline exceeded", "Client.Timeout", "handshake timeout"]) {
        "it does not answer in time"
    } else if any(message, &["no route to host", "network is unreachable", "connection reset"]) {
        "there is no way to it from the nodes"
    } else {
        return None;
    };
    let finding = Finding::new(format!("The nodes cannot reach the {asked}: {why}."))
        .line(format!("{}: image {image}", container.shown()))
        .line(reason(message));
    let finding = match asked.mirror.and_then(|url| Mirror::parse(url).ok()) {
        Some(mirror) if unknown && !mirror.host().contains('.') => finding
            .line(format!("a container is known by its name once it is on the cluster's network: is `{}` one?", mirror.host()))
            .try_(format!("docker network connect {} {}", names::network(&facts.cluster), mirror.host())),
        Some(mirror) if mirror.is_loopback() => {
            finding.line("that is the node itself there; a container of the cluster's network is reached by its name")
        }
        None if matches!(asked.registry.split(':').next(), Some("localhost" | "127.0.0.1")) => finding
            .line(format!(
                "`{registry}` is the node itself there; `registries: [{{host: \"{registry}\", mirrors: [URL]}}]` says where to ask instead",
                registry = asked.registry
            ))
            .line(CONFIG),
        _ => finding,
    };
    Some(
        finding
            .line("an image that this machine's Docker can get needs no registry: load it into the nodes")
            .try_(format!("docker pull {image} && {}", facts.knarr(&format!("load docker-image {image}"))))
            .try_("knarr doctor"),
    )
}

pub fn other(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    Some(
        Finding::new(format!("The image `{}` cannot be pulled.", container.image()))
            .line(format!("{}: {}", container.shown(), reason(message)))
            .try_(facts.kubectl(pod.namespace(), &format!("describe pod {}", pod.name()))),
    )
}
