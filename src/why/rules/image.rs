//! Images whose name is wrong: impossible, without such a tag, or for another processor.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::{Container, containers};
use super::super::finding::Finding;
use super::super::look::{Look, any, some};
use super::image_asked::Asked;
use super::words;
use crate::config::suggest;
use crate::image::reference::full_name;
use crate::spec::values::names_registry;

/// The first container whose image cannot be had, with the kubelet's words.
pub fn refused(pod: &Value) -> Option<(Container<'_>, &str)> {
    containers(pod).into_iter().find_map(|container| match container.waiting() {
        ("ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable", message) => Some((container, message)),
        _ => None,
    })
}

/// The part of the kubelet's words that says why: what it tells first is how it came to ask.
pub fn reason(message: &str) -> &str {
    let after_reference =
        message.split_once("failed to resolve reference ").and_then(|(_, rest)| rest.split_once("\": "));
    after_reference.map_or(message, |(_, rest)| rest.strip_prefix("failed to do request: ").unwrap_or(rest))
}

/// Repository and tag: `knarr.dev/hello` and `v1`.
pub fn split(image: &str) -> (&str, &str) {
    let from = image.rfind('/').map_or(0, |slash| slash + 1);
    image[from..].find([':', '@']).map_or((image, ""), |at| (&image[..from + at], &image[from + at + 1..]))
}

/// The registry that an image names, if it names one.
pub fn registry(image: &str) -> &str {
    let first = image.split_once('/').map_or("", |(first, _)| first);
    if names_registry(first) { first } else { "docker.io" }
}

/// Every image that a node has.
pub fn on_nodes(facts: &Facts) -> Vec<&str> {
    let nodes = facts.all("Node").iter();
    let mut names: Vec<&str> = nodes
        .flat_map(|node| node.list("/status/images"))
        .flat_map(|image| image.list("/names"))
        .filter_map(Value::as_str)
        .filter(|name| !name.contains('@'))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The command that gives a container another image.
pub fn set_image(facts: &Facts, pod: &Value, container: &Container<'_>, image: &str) -> String {
    facts.kubectl(pod.namespace(), &format!("set image {} {}={image}", words::workload(facts, pod), container.name()))
}

pub fn invalid_name(facts: &Facts, pod: &Value) -> Option<Finding> {
    let container = containers(pod).into_iter().find(|c| c.waiting().0 == "InvalidImageName")?;
    let image = container.image();
    let lower = image.to_lowercase();
    Some(
        Finding::new(format!("`{image}` is not a name that an image can have ({}).", container.shown()))
            .line(container.waiting().1)
            .try_(set_image(facts, pod, &container, if lower == image { "NAME:TAG" } else { &lower })),
    )
}

pub fn wrong(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    let image = container.image();
    // The nodes tell full names.
    let full = full_name(image);
    let (repository, tag) = split(&full);
    let unknown = any(message, &["not found", "manifest unknown", "name unknown", "404 Not Found"]);
    let known = on_nodes(facts);
    let others: Vec<&str> = known.iter().copied().filter(|o| split(o).0 == repository && *o != full).collect();
    let near = others.first().copied().or_else(|| {
        let repositories: Vec<&str> = known.iter().map(|other| split(other).0).collect();
        let near = suggest::nearest(repository, &repositories).filter(|_| registry(image) == "knarr.dev")?;
        known.iter().copied().find(|other| split(other).0 == near)
    });
    if !unknown && near.is_none() {
        return None;
    }
    let quoted: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
    let sentence = match near {
        Some(_) if !others.is_empty() => {
            format!("There is no image `{repository}` with the tag `{tag}`; the nodes have {}.", some(&quoted, 3))
        }
        Some(near) => format!("There is no image `{image}`; the nodes have `{near}`."),
        None => {
            format!("The {} has no image `{image}`: its name or its tag `{tag}` is wrong.", Asked::new(image, message))
        }
    };
    Some(
        Finding::new(sentence)
            .line(format!("{}: image {image}", container.shown()))
            .line(reason(message))
            .try_(set_image(facts, pod, &container, near.unwrap_or("NAME:TAG"))),
    )
}

pub fn wrong_platform(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    if !any(
        message,
        &["no match for platform", "does not provide any platform", "no image found in manifest list for architecture"],
    ) {
        return None;
    }
    let mut platforms: Vec<&str> =
        facts.all("Node").iter().map(|node| node.text("/status/nodeInfo/architecture")).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let platform = platforms.join(", ");
    Some(
        Finding::new(format!("The image `{}` is not made for the nodes' processor ({platform}).", container.image()))
            .line(format!("{}: {}", container.shown(), reason(message)))
            .try_(format!(
                "docker build --platform linux/{} -t {} .",
                platforms.first().unwrap_or(&"amd64"),
                container.image()
            ))
            .try_(facts.knarr(&format!("load docker-image {}", container.image()))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        assert_eq!(split("knarr.dev/hello:v1"), ("knarr.dev/hello", "v1"));
        assert_eq!(split("localhost:5000/a"), ("localhost:5000/a", ""));
        assert_eq!((registry("a/b:1"), registry("localhost:5000/a")), ("docker.io", "localhost:5000"));
    }

    #[test]
    fn the_reason_is_what_the_registry_said() {
        let message = "Back-off pulling image \"r.invalid/a:v1\": ErrImagePull: failed to pull and unpack image \"r.invalid/a:v1\": failed to resolve reference \"r.invalid/a:v1\": failed to do request: Head \"https://r.invalid/v2/a/manifests/v1\": dial tcp: lookup r.invalid on 127.0.0.11:53: no such host";
        assert_eq!(
            reason(message),
            "Head \"https://r.invalid/v2/a/manifests/v1\": dial tcp: lookup r.invalid on 127.0.0.11:53: no such host"
        );
    }
}
