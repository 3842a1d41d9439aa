//! Folders and files of the host seen in nodes.

use std::collections::BTreeMap;
use std::path::Path;

use super::Check;
use crate::config::suggest::unknown;
use crate::config::v1alpha1;
use crate::spec::{Mount, Propagation};

/// Folders over which nothing may be mounted, though inside some of them it may: the node would lose its system.
const PRECIOUS: [&str; 20] = [
    "/",
    "/bin",
    "/dev",
    "/etc",
    "/etc/cni",
    "/etc/cni/net.d",
    "/lib",
    "/lib64",
    "/opt",
    "/opt/cni",
    "/opt/cni/bin",
    "/run",
    "/sbin",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/var",
    "/var/lib",
    "/var/lib/kubelet",
];
/// Folders over and inside which nothing may be mounted: knarr or the kernel fills them.
const CLOSED: [&str; 10] = [
    "/etc/knarr",
    "/etc/kubernetes",
    "/proc",
    "/run/containerd",
    "/run/knarr",
    "/sys",
    "/usr/lib/knarr",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/knarr",
];

pub(super) fn mounts(check: &mut Check<'_>, node: &str, mounts: &[v1alpha1::Mount]) -> Vec<Mount> {
    let mut targets: BTreeMap<String, usize> = BTreeMap::new();
    let mut out = Vec::new();
    for (i, mount) in mounts.iter().enumerate() {
        let path = format!("{node}.extraMounts[{i}]");
        let host_path = host_path(check, &path, mount.host_path.as_deref());
        let container_path = container_path(check, &path, mount.container_path.as_deref());
        let propagation = propagation(check, &path, mount.propagation.as_deref());
        let (Some(host_path), Some(container_path), Some(propagation)) = (host_path, container_path, propagation)
        else {
            continue;
        };
        if let Some(other) = targets.insert(container_path.clone(), i) {
            check.problem(
                format!("{path}.containerPath"),
                format!("`{container_path}` is taken already by {node}.extraMounts[{other}]"),
            );
        }
        let (read_only, selinux_relabel) = (mount.read_only, mount.selinux_relabel);
        out.push(Mount { host_path, container_path, read_only, propagation, selinux_relabel });
    }
    out
}

fn host_path(check: &mut Check<'_>, mount: &str, text: Option<&str>) -> Option<std::path::PathBuf> {
    let path = format!("{mount}.hostPath");
    let text = text.unwrap_or_default();
    if text.is_empty() {
        check.problem(path, "missing; name a folder or file of this machine");
        return None;
    }
    if let Some(wrong) = unusable(text) {
        check.problem(path, wrong);
        return None;
    }
    if text == "~" || text.starts_with("~/") {
        check.problem(path, format!("`{text}`: `~` is not expanded here; write the whole path"));
        return None;
    }
    let absolute = normal(&check.input.base.join(text));
    if !(check.input.around.exists)(&absolute) {
        check.problem(path, format!("`{}` does not exist on this machine", absolute.display()));
        return None;
    }
    if absolute.file_name().is_some_and(|name| name == "docker.sock") {
        check.warn(path, "whoever controls this node controls Docker on this machine, and with it the machine");
    }
    Some(absolute)
}

fn container_path(check: &mut Check<'_>, mount: &str, text: Option<&str>) -> Option<String> {
    let path = format!("{mount}.containerPath");
    let text = text.unwrap_or_default();
    let wrong = if text.is_empty() {
        Some("missing; name a path in the node".into())
    } else if !text.starts_with('/') {
        Some(format!("`{text}` is not absolute (did you mean `/{text}`?)"))
    } else {
        unusable(text).or_else(|| {
            let normal = normal(Path::new(text)).display().to_string();
            (normal != text).then(|| format!("`{text}` is written in a roundabout way (did you mean `{normal}`?)"))
        })
    };
    let wrong = wrong.or_else(|| {
        let closed = CLOSED.iter().find(|folder| Path::new(text).starts_with(folder));
        match closed {
            Some(folder) => Some(format!("`{text}`: nothing may be mounted at or below `{folder}`, the node needs it")),
            None => PRECIOUS
                .contains(&text)
                .then(|| format!("`{text}`: nothing may be mounted over it, the node needs what is in there")),
        }
    });
    match wrong {
        Some(wrong) => {
            check.problem(path, wrong);
            None
        }
        None => Some(text.into()),
    }
}

/// Characters that Docker's mount syntax cannot carry.
fn unusable(text: &str) -> Option<String> {
    let wrong = text.chars().find(|c| *c == ':' || c.is_control())?;
    Some(format!("{text:?} contains {wrong:?}, which cannot be mounted"))
}

/// The path without `.`, `..`, doubled and trailing slashes.
fn normal(path: &Path) -> std::path::PathBuf {
    use std::path::Component;
    let mut out = std::path::PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn propagation(check: &mut Check<'_>, mount: &str, text: Option<&str>) -> Option<Propagation> {
    let words = [
        ("None", Propagation::None),
        ("HostToContainer", Propagation::HostToContainer),
        ("Bidirectional", Propagation::Bidirectional),
    ];
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Some(Propagation::default()) };
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    if found.is_none() {
        let message = unknown(text, "a way of propagation", &words.map(|(word, _)| word));
        check.problem(format!("{mount}.propagation"), message);
    }
    found.map(|(_, propagation)| *propagation)
}
