//! What depends on the rights of this container: probed here, and told to containerd and the kubelet by drop-in files.
//!
//! `knarr` renders both main configurations without looking at the host; they name the folders of
//! [`knarr_contract::CONTAINERD_DROP_INS`] and [`knarr_contract::KUBELET_DROP_INS`]. Each file written here holds only
//! what must differ on this host, and is removed again when the host no longer needs it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use knarr_contract::{CONTAINERD_DROP_INS, KUBELET_DROP_INS};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cgroups::Version;
use crate::fault::{Context, Result};
use crate::limits::Reserved;
use crate::status::Board;
use crate::sysctl;

const CAP_SYS_RESOURCE: u32 = 24;
const ENOUGH_FILES: u64 = 65_536;
const MANY_FILES: u64 = 1_048_576;

/// What this container lacks, or has in an old form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Host {
    cgroup_v1: bool,
    no_sys_resource: bool,
    fixed_sysctls: bool,
    /// What the kubelet sees of the machine and the node may not use.
    reserved: Reserved,
}

/// Probes the container and writes the drop-in files. `reserved` is what pods must not be given of what the kubelet sees.
pub fn prepare(board: &Board, cgroups: Option<Version>, reserved: Reserved) -> Result<()> {
    let host = Host {
        cgroup_v1: cgroups == Some(Version::One),
        no_sys_resource: !has_capability(CAP_SYS_RESOURCE),
        fixed_sysctls: !sysctl::kubelet_may_write(),
        reserved,
    };
    if host.cgroup_v1 {
        board.adapted("the host has control groups version 1: the kubelet is told not to refuse them");
    }
    if host.no_sys_resource {
        board.adapted("CAP_SYS_RESOURCE is missing: containers and components keep the default OOM score");
    }
    if host.fixed_sysctls {
        board.adapted("kernel settings cannot be written: the kubelet is told to do without (KubeletInUserNamespace)");
    }
    let files = raise_open_files();
    if files < ENOUGH_FILES {
        board.adapted(format!("only {files} files may be open at once: containers with many connections may fail"));
    }
    place(&Path::new(CONTAINERD_DROP_INS).join("50-knarr-node.toml"), containerd(host).as_deref())?;
    place(&Path::new(KUBELET_DROP_INS).join("50-knarr-node.conf"), kubelet(host).as_deref())
}

/// Lets components, and with them containers, open as many files as this container may; returns how many that is.
fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    // Not without end, because some programs close every number that there may be.
    let wanted = soft.max(hard.min(MANY_FILES));
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).map_or(soft, |()| wanted)
}

/// Whether the OOM score of a process may be lowered.
pub fn may_lower_oom_score() -> bool {
    has_capability(CAP_SYS_RESOURCE)
}

fn has_capability(bit: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective(&status).is_some_and(|set| set & (1 << bit) != 0)
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn containerd(host: Host) -> Option<String> {
    // Without the capability, lowering a score fails, and with it the start of every container.
    host.no_sys_resource
        .then(|| "version = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\nrestrict_oom_score_adj = true\n".to_owned())
}

fn kubelet(host: Host) -> Option<String> {
    let mut text = String::new();
    if host.cgroup_v1 {
        text += "failCgroupV1: false\n";
    }
    if host.no_sys_resource {
        text += "oomScoreAdj: 0\n";
    }
    if host.fixed_sysctls {
        text += "featureGates:\n  KubeletInUserNamespace: true\n";
    }
    if host.reserved != Reserved::default() {
        let Reserved { milli_cpus, memory_kib } = host.reserved;
        let lines = format!("systemReserved:\n  cpu: {milli_cpus}m\n  memory: {memory_kib}Ki\n");
        text.push_str(&lines);
    }
    (!text.is_empty()).then(|| format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{text}"))
}

fn place(path: &Path, content: Option<&str>) -> Result<()> {
    let what = || format!("the drop-in {}", path.display());
    if let Some(folder) = path.parent() {
        // Also when there is nothing to say: the kubelet refuses a `--config-dir` that does not exist.
        fs::create_dir_all(folder).context(what)?;
    }
    match content {
        Some(content) => fs::write(path, content).context(what),
        None => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context(what),
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_bit_is_found() {
        let without = effective("Name:\tx\nCapEff:\t000001fffeffffff\n").expect("a set");
        assert_eq!(without & (1 << CAP_SYS_RESOURCE), 0);
        assert_eq!(without & (1 << 21), 1 << 21);
        assert_eq!(effective("CapEff: nonsense"), None);
    }

    #[test]
    fn a_full_host_gets_no_drop_ins() {
        assert_eq!((containerd(Host::default()), kubelet(Host::default())), (None, None));
    }

    #[test]
    fn each_lack_has_its_lines() {
        let reserved = Reserved { milli_cpus: 500, memory_kib: 0 };
        let host = Host { cgroup_v1: true, no_sys_resource: true, fixed_sysctls: true, reserved };
        let text = kubelet(host).expect("needed");
        for line in ["failCgroupV1: false", "oomScoreAdj: 0", "  KubeletInUserNamespace: true", "  cpu: 500m"] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
        assert!(containerd(host).expect("needed").contains("restrict_oom_score_adj = true"));
    }
}
