//! What Docker has besides containers: itself, images, networks, volumes.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::Labels;

/// Who answers at the Docker address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// The engine's own identity, which it keeps as long as its data; empty if it does not tell.
    pub id: String,
    /// The address we speak to, for messages.
    pub address: String,
    /// The engine's version, `28.2.2`.
    pub version: String,
    /// The API version in use, `1.41`.
    pub api_version: String,
    /// `linux` or `windows`.
    pub os: String,
    /// `amd64` or `arm64`, as image platforms spell it.
    pub arch: String,
    /// The distribution or product name.
    pub operating_system: String,
    /// The kernel's version.
    pub kernel: String,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// `overlay2`, `overlayfs`, …
    pub storage_driver: String,
    /// `rootless`, `userns`, `seccomp`, …
    pub security_options: Vec<String>,
    /// The folder of the engine's data.
    pub root_dir: String,
    /// Processors.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// The engine's clock in seconds since 1970, if it tells.
    pub clock: Option<i64>,
    /// Proxy settings of the engine itself.
    pub http_proxy: Option<String>,
    /// Proxy settings of the engine itself.
    pub https_proxy: Option<String>,
    /// Proxy settings of the engine itself.
    pub no_proxy: Option<String>,
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:…`
    pub id: String,
    /// Its names.
    pub tags: Vec<String>,
    /// Its labels.
    pub labels: Labels,
    /// Its size in bytes, unpacked.
    pub size: u64,
    /// `amd64`, `arm64`; empty when the engine's listing does not tell.
    pub arch: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
}

/// How to make an image from a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSpec {
    /// The container.
    pub container: String,
    /// The new image's name.
    pub reference: String,
    /// The program it starts.
    pub entrypoint: Vec<String>,
    /// The environment, `KEY=value`.
    pub env: Vec<String>,
    /// The labels.
    pub labels: Labels,
    /// The stop signal.
    pub stop_signal: Option<String>,
}

/// A network that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its subnets.
    pub subnets: Vec<IpNet>,
    /// Names of the containers attached to it.
    pub containers: Vec<String>,
    /// When it was made, in seconds since 1970; the end of all times if the engine does not tell: it is never old.
    pub created: i64,
}

/// A bridge network to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// All its addresses.
    pub subnet: Ipv4Net,
    /// The host's address in it.
    pub gateway: Ipv4Addr,
    /// Where Docker takes addresses for containers that ask for none; nodes stand outside of it.
    pub ip_range: Ipv4Net,
}

/// A volume that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// When it was made, in seconds since 1970; the end of all times if the engine does not tell: it is never old.
    pub created: i64,
}
