//! Who answers: the daemon's own description, in our words.

use bollard::models::SystemInfo;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::DockerEngine;
use super::errors::translate;
use crate::engine::{EngineInfo, EngineResult, op};

pub(super) async fn info(engine: &DockerEngine) -> EngineResult<EngineInfo> {
    let info = ask(engine).await?;
    Ok(EngineInfo {
        id: info.id.unwrap_or_default(),
        address: engine.address.clone(),
        version: info.server_version.unwrap_or_default(),
        api_version: format!("{}.{}", engine.api.0, engine.api.1),
        os: info.os_type.unwrap_or_default(),
        arch: platform_arch(&info.architecture.unwrap_or_default()).to_owned(),
        operating_system: info.operating_system.unwrap_or_default(),
        kernel: info.kernel_version.unwrap_or_default(),
        cgroup_version: info.cgroup_version.and_then(|v| v.to_string().parse().ok()).unwrap_or(1),
        storage_driver: info.driver.unwrap_or_default(),
        security_options: info.security_options.unwrap_or_default().iter().map(|o| option_name(o)).collect(),
        root_dir: info.docker_root_dir.unwrap_or_default(),
        cpus: unsigned(info.ncpu),
        memory: unsigned(info.mem_total),
        clock: info.system_time.as_deref().and_then(seconds),
        http_proxy: info.http_proxy.filter(|p| !p.is_empty()),
        https_proxy: info.https_proxy.filter(|p| !p.is_empty()),
        no_proxy: info.no_proxy.filter(|p| !p.is_empty()),
    })
}

/// Whether the daemon keeps logs in JSON files unless it is told otherwise: then, and only then, the options that bound
/// those files are valid.
pub(super) async fn has_json_logs(engine: &DockerEngine) -> EngineResult<bool> {
    if let Some(known) = engine.json_logs.get() {
        return Ok(*known);
    }
    ask(engine).await?;
    Ok(engine.json_logs.get().copied().unwrap_or(false))
}

async fn ask(engine: &DockerEngine) -> EngineResult<SystemInfo> {
    let info = engine.client.info().await.map_err(|e| translate(op::INFO, &engine.address, &e))?;
    // Losing this race means that somebody else stored the same answer.
    let _ = engine.json_logs.set(info.logging_driver.as_deref() == Some("json-file"));
    Ok(info)
}

/// A number that Docker types as signed though it never is.
pub(super) fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// Seconds since 1970 of a time as Docker writes it.
pub(super) fn seconds(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// The architecture as image platforms spell it.
fn platform_arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `name=seccomp,profile=default` → `seccomp`
fn option_name(option: &str) -> String {
    let name = option.split(',').find_map(|part| part.strip_prefix("name=")).unwrap_or(option);
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_words_become_ours() {
        assert_eq!(platform_arch("aarch64"), "arm64");
        assert_eq!(platform_arch("riscv64"), "riscv64");
        assert_eq!(option_name("name=seccomp,profile=default"), "seccomp");
        assert_eq!(option_name("rootless"), "rootless");
        assert_eq!(seconds("1970-01-01T01:00:10.123456789+01:00"), Some(10));
        assert_eq!(seconds("yesterday"), None);
        assert_eq!(unsigned(Some(-1)), 0);
    }
}
