//! What the kernel can do: in it, loaded, to be loaded, or not there.

use std::cell::OnceCell;
use std::io::Read;

use super::Host;

/// A kernel feature that nodes need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The module's name, with underscores.
    pub module: &'static str,
    /// The option that builds it, without `CONFIG_`.
    pub option: &'static str,
}

/// Whether a feature is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It works now.
    Ready,
    /// Its module can be loaded.
    Loadable,
    /// This kernel does not have it.
    Absent,
}

impl Feature {
    /// What nodes need. The kernel loads the modules of these by itself when they are first used.
    pub const NEEDED: [Self; 4] = [
        Self { module: "overlay", option: "OVERLAY_FS" },
        Self { module: "veth", option: "VETH" },
        Self { module: "nf_tables", option: "NF_TABLES" },
        Self { module: "nf_conntrack", option: "NF_CONNTRACK" },
    ];

    /// What sends bridged packets through the packet filter; unlike the others it is never loaded by first use.
    pub const BR_NETFILTER: Self = Self { module: "br_netfilter", option: "BRIDGE_NETFILTER" };
}

impl Host {
    /// Whether each feature is there, in their order; `None` where neither modules nor configuration can be read.
    pub fn features(&self, features: &[Feature]) -> Vec<Option<Presence>> {
        let sources = Sources { host: self, modules: OnceCell::new(), config: OnceCell::new() };
        features.iter().map(|feature| sources.presence(*feature)).collect()
    }

    fn works_now(&self, module: &str) -> bool {
        let seen = |path: &str| self.probe.exists(path);
        let at_work = match module {
            "overlay" => {
                let known = self.text("/proc/filesystems").unwrap_or_default();
                known.lines().any(|line| line.split_whitespace().last() == Some("overlay"))
            }
            "br_netfilter" => seen("/proc/sys/net/bridge/bridge-nf-call-iptables"),
            "nf_conntrack" => seen("/proc/sys/net/netfilter/nf_conntrack_max"),
            _ => false,
        };
        at_work || seen(&format!("/sys/module/{module}"))
    }
}

/// The larger files, read only when a cheaper look was not enough.
struct Sources<'a> {
    host: &'a Host,
    modules: OnceCell<Option<Modules>>,
    config: OnceCell<Option<String>>,
}

/// What depmod knows about the running kernel.
struct Modules {
    builtin: String,
    loadable: String,
}

impl Sources<'_> {
    fn presence(&self, feature: Feature) -> Option<Presence> {
        if self.host.works_now(feature.module) {
            return Some(Presence::Ready);
        }
        let Feature { module, option, .. } = feature;
        if let Some(modules) = self.modules() {
            if names_module(&modules.builtin, module) {
                return Some(Presence::Ready);
            }
            if names_module(&modules.loadable, module) {
                return Some(Presence::Loadable);
            }
        }
        let listed = self.modules().is_some();
        let Some(config) = self.config() else {
            return listed.then_some(Presence::Absent);
        };
        match config.lines().find_map(|line| line.strip_prefix("CONFIG_")?.strip_prefix(option)?.strip_prefix('=')) {
            Some("y") => Some(Presence::Ready),
            // A module of the configuration that depmod does not know was not installed.
            Some("m") => Some(if listed { Presence::Absent } else { Presence::Loadable }),
            _ => Some(Presence::Absent),
        }
    }

    fn modules(&self) -> Option<&Modules> {
        let host = self.host;
        let read = || {
            let release = host.kernel_release()?;
            let file = |name: &str| host.text(&format!("/lib/modules/{release}/{name}"));
            Some(Modules { builtin: file("modules.builtin")?, loadable: file("modules.dep")? })
        };
        self.modules.get_or_init(read).as_ref()
    }

    fn config(&self) -> Option<&str> {
        let host = self.host;
        let read = || {
            let packed = host.probe.read("/proc/config.gz").and_then(|bytes| {
                let mut text = String::new();
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).ok()?;
                Some(text)
            });
            packed.or_else(|| host.text(&format!("/boot/config-{}", host.kernel_release()?)))
        };
        self.config.get_or_init(read).as_deref()
    }
}

/// Whether a list of depmod names a module; files may be compressed, and spell `_` as `-`.
fn names_module(list: &str, module: &str) -> bool {
    list.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split_once(".ko").is_some_and(|(name, _)| name.replace('-', "_") == module)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::probe::FakeProbe;
    use super::Presence::{Absent, Loadable, Ready};
    use super::*;

    fn presences(probe: FakeProbe) -> Vec<Option<Presence>> {
        let [overlay, veth, tables, track] = Feature::NEEDED;
        Host::new(probe).features(&[overlay, veth, tables, track, Feature::BR_NETFILTER])
    }

    #[test]
    fn a_distribution_kernel() {
        let probe = FakeProbe::default()
            .file("/proc/sys/kernel/osrelease", "6.12.1\n")
            .file("/proc/filesystems", "nodev\tproc\n\text4\n")
            .file("/sys/module/veth/refcnt", "2")
            .file("/lib/modules/6.12.1/modules.builtin", "kernel/net/netfilter/nf_tables.ko\n")
            .file(
                "/lib/modules/6.12.1/modules.dep",
                "kernel/fs/overlayfs/overlay.ko.xz:\nkernel/net/bridge/br-netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n",
            )
            .file("/boot/config-6.12.1", "CONFIG_NF_CONNTRACK=m\n");
        assert_eq!(presences(probe), [Loadable, Ready, Ready, Absent, Loadable].map(Some));
    }

    #[test]
    fn a_kernel_without_modules_tells_by_its_configuration() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed
            .write_all(
                b"CONFIG_VETH=y\nCONFIG_NF_TABLES=y\nCONFIG_NF_TABLES_INET=y\n# CONFIG_NF_CONNTRACK is not set\n",
            )
            .expect("memory takes everything");
        let probe = FakeProbe::default()
            .file("/proc/filesystems", "nodev\toverlay\n")
            .file("/proc/sys/net/bridge/bridge-nf-call-iptables", "1")
            .file("/proc/config.gz", packed.finish().expect("memory takes everything"));
        assert_eq!(presences(probe), [Ready, Ready, Ready, Absent, Ready].map(Some));
    }

    #[test]
    fn nothing_to_read_is_unknown() {
        assert_eq!(presences(FakeProbe::default()), [None; 5]);
    }
}
