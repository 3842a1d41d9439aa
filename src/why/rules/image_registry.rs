//! Registries that do not give an image: they want to know who asks, are not trusted, or cannot be reached.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, any, some};
use super::image::{reason, refused, registry};

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
    let server = registry(image);
    let names: Vec<&str> = pod.list("/spec/imagePullSecrets").iter().map(|secret| secret.text("/name")).collect();
    let account = Some(pod.text("/spec/serviceAccountName")).filter(|name| !name.is_empty()).unwrap_or("default");
    let sentence = if names.is_empty() && message.contains("insufficient_scope") {
        format!(
            "The registry `{server}` gives `{image}` to nobody unknown: it does not exist, or it is private and the Pod names no imagePullSecrets."
        )
    } else if names.is_empty() {
        format!(
            "The registry `{server}` wants a user and a password for `{image}`, and the Pod names no imagePullSecrets."
        )
    } else {
        format!("The registry `{server}` does not give `{image}` to whoever is in the Secret {}.", some(&names, 3))
    };
    let create = format!(
        "create secret docker-registry registry-login --docker-server={server} --docker-username=USER --docker-password=PASSWORD"
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
    let server = registry(container.image());
    let plain = message.contains("server gave HTTP response");
    let sentence = if plain {
        format!("The registry `{server}` speaks HTTP, and the nodes insist on HTTPS.")
    } else if any(message, &["unknown authority", "self-signed", "self signed"]) {
        format!(
            "The nodes do not trust the certificate of the registry `{server}`: an authority signed it that they do not know."
        )
    } else {
        format!(
            "The nodes cannot speak TLS with the registry `{server}`: its certificate is not valid for it, or not now."
        )
    };
    Some(
        Finding::new(sentence)
            .line(reason(message))
            .line("nodes trust what this machine trusts when a cluster is created; a proxy that opens TLS has an authority of its own too")
            .line(if plain {
                format!("`registries: [{{host: \"{server}\", mirrors: [\"http://{server}\"]}}]` in the cluster's config lets them speak HTTP")
            } else {
                format!("`registries: [{{host: \"{server}\", skipVerify: true}}]` in the cluster's config lets any certificate do")
            })
            .try_("knarr doctor")
            .try_(format!("knarr apply -f FILE --name {}", facts.cluster))
            .try_(format!("docker pull {}", container.image())),
    )
}

pub fn unreachable(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    let server = registry(container.image());
    let why = if message.contains("proxyconnect") {
        "the proxy between does not answer"
    } else if any(message, &["no such host", "server misbehaving", "Temporary failure in name resolution"]) {
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
    let image = container.image();
    let mut finding = Finding::new(format!("The nodes cannot reach the registry `{server}`: {why}."))
        .line(format!("{}: image {image}", container.shown()))
        .line(reason(message));
    if matches!(server.split(':').next(), Some("localhost" | "127.0.0.1")) {
        finding = finding.line(format!(
            "`{server}` is the node itself there; `registries: [{{host: \"{server}\", mirrors: [URL]}}]` in the cluster's config says where to ask instead"
        ));
    }
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
