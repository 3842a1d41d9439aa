//! containerd: its command line, environment and configuration.

use std::collections::BTreeMap;

use knarr_contract::{Component, Gate};

use super::components::component;
use super::flags::Flags;
use super::paths::{
    CNI_CONFIG_DIR, CNI_PLUGINS, CONTAINERD_CONFIG, CONTAINERD_DROP_INS, CONTAINERD_SOCKET, HOST_CA, PAUSE_IMAGE,
    REGISTRY_HOSTS, SYSTEM_TRUST, program,
};
use crate::plan::layout::{Egress, Layout};

/// containerd of one node.
pub(super) fn containerd(layout: &Layout) -> Component {
    let flags = Flags::new(program("containerd")).set("config", CONTAINERD_CONFIG);
    Component {
        env: environment(&layout.egress),
        ready_when: Some(Gate::UnixSocket { path: CONTAINERD_SOCKET.into() }),
        ..component("containerd", flags)
    }
}

/// Only containerd speaks to the world outside of the cluster, so only it gets the host's proxies and authorities.
fn environment(egress: &Egress) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = egress.proxy.iter().cloned().collect();
    if egress.ca_bundle.is_some() {
        // Go reads the one file of SSL_CERT_FILE and every file of the folders of SSL_CERT_DIR: the host's authorities
        // come beside the image's own, not in their place.
        env.insert("SSL_CERT_FILE".into(), HOST_CA.into());
        env.insert("SSL_CERT_DIR".into(), SYSTEM_TRUST.into());
    }
    env
}

/// containerd's configuration, in TOML.
pub(super) fn containerd_config() -> String {
    // What is disabled is not used here and costs time at each start. Version 3 is what containerd 2.0 to 2.3 read.
    format!(
        r#"version = 3
imports = ["{CONTAINERD_DROP_INS}/*.toml"]
disabled_plugins = [
  "io.containerd.differ.v1.erofs",
  "io.containerd.internal.v1.tracing",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.native",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
# Half the disk: a layer is kept as a snapshot, not as a blob too. (It makes containerd pull by its CRI plugin instead
# of its transfer service, which it says once in its log.)
discard_unpacked_layers = true

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "{REGISTRY_HOSTS}"

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{CNI_PLUGINS}"]
conf_dir = "{CNI_CONFIG_DIR}"
# The loopback device needs no plugin process per pod.
use_internal_loopback = true

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "runc"
SystemdCgroup = false
"#
    )
}
