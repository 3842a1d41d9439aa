//! Container registries that nodes do not reach as their names say.

use super::Check;
use crate::config::v1alpha1;
use crate::spec::registries::{Mirror, Registries, Registry, RegistryHost};

/// Everything under `registries`.
pub(super) fn registries(check: &mut Check<'_>) -> Registries {
    let mut all = Registries::new();
    for (i, wire) in check.input.cluster.registries.iter().enumerate() {
        let path = format!("registries[{i}]");
        let (host, registry) = (host(check, &path, wire.host.as_deref()), registry(check, &path, wire));
        if let Some(host) = host
            && let Some(_) = all.insert(host.clone(), registry)
        {
            check.problem(format!("{path}.host"), format!("`{host}` is named twice; say all of it in one entry"));
        }
    }
    all
}

fn host(check: &mut Check<'_>, path: &str, text: Option<&str>) -> Option<RegistryHost> {
    let path = format!("{path}.host");
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        check.problem(
            path,
            "is missing: a registry as image names have it, such as `docker.io`, or `*` for every other",
        );
        return None;
    };
    check.problems.take(&path, RegistryHost::parse(text))
}

fn registry(check: &mut Check<'_>, path: &str, wire: &v1alpha1::Registry) -> Registry {
    if wire.mirrors.is_empty() && !wire.skip_verify {
        check.problem(path, "says nothing of the registry: name its `mirrors`, or set `skipVerify: true`");
    }
    let mut mirrors = Vec::new();
    for (i, text) in wire.mirrors.iter().enumerate() {
        let path = format!("{path}.mirrors[{i}]");
        let Some(mirror) = check.problems.take(&path, Mirror::parse(text)) else { continue };
        if mirror.is_loopback() {
            check.warn(
                &path,
                format!("`{mirror}` leads each node to itself, not to this machine; a container of the cluster's Docker network is reached by its name"),
            );
        }
        if mirrors.contains(&mirror) {
            check.problem(path, format!("`{mirror}` is named twice; nodes would read nothing of such an entry"));
            continue;
        }
        mirrors.push(mirror);
    }
    Registry { mirrors, skip_verify: wire.skip_verify }
}
