//! Kernel settings that a node needs, as far as this container may set them.

use std::fs;
use std::path::PathBuf;

use crate::status::Board;

/// A setting, the value it is replaced at (none: any other), the value a node needs, and why.
struct Setting {
    name: &'static str,
    only_if: Option<&'static str>,
    value: &'static str,
    why: &'static str,
}

const SETTINGS: [Setting; 4] = [
    Setting { name: "net.ipv4.ip_forward", only_if: None, value: "1", why: "pods reach nothing outside their node" },
    // Strict reverse-path filtering drops answers that come back on another way; loose filtering does not.
    Setting {
        name: "net.ipv4.conf.all.rp_filter",
        only_if: Some("1"),
        value: "2",
        why: "answers that come back on another interface are dropped",
    },
    Setting {
        name: "net.bridge.bridge-nf-call-iptables",
        only_if: Some("0"),
        value: "1",
        why: "services may not work between two pods on one bridge",
    },
    Setting {
        name: "net.bridge.bridge-nf-call-ip6tables",
        only_if: Some("0"),
        value: "1",
        why: "IPv6 services may not work between two pods on one bridge",
    },
];

/// Sets what must be set, and notes what could not be.
pub fn prepare(board: &Board) {
    for setting in &SETTINGS {
        let path = path(setting.name);
        // A setting that does not exist belongs to a module that is not loaded, and so is not needed.
        let Ok(current) = fs::read_to_string(&path) else { continue };
        let current = current.trim();
        if current == setting.value || setting.only_if.is_some_and(|only| only != current) {
            continue;
        }
        if let Err(error) = fs::write(&path, setting.value) {
            board.adapted(format!("{} stays {current} ({error}): {}", setting.name, setting.why));
        }
    }
}

/// Whether packets for others are passed on here.
pub fn forwards_packets() -> bool {
    fs::read_to_string(path("net.ipv4.ip_forward")).is_ok_and(|value| value.trim() == "1")
}

/// Whether the kernel settings that the kubelet insists on can be written, tried with the values they have.
pub fn kubelet_may_write() -> bool {
    ["vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops", "kernel.keys.root_maxkeys"]
        .into_iter()
        .map(path)
        .all(|path| fs::read_to_string(&path).is_ok_and(|value| fs::write(&path, value.trim()).is_ok()))
}

fn path(name: &str) -> PathBuf {
    // The names here have no dots within their parts.
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_path() {
        assert_eq!(path("net.ipv4.ip_forward"), PathBuf::from("/proc/sys/net/ipv4/ip_forward"));
    }
}
