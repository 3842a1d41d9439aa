//! What the kernel grants: inotify, open files, memory, the daemon's capabilities, cgroup controllers.

use super::{Host, hex_field};

/// The bit of CAP_SYS_RESOURCE in a capability mask.
const CAP_SYS_RESOURCE: u64 = 1 << 24;

/// Limits and use of inotify. The limits count per user; containers run as root, so root's use is what matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inotify {
    /// `fs.inotify.max_user_instances`
    pub max_instances: u64,
    /// `fs.inotify.max_user_watches`
    pub max_watches: u64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What programs can still get without swapping.
    pub available: u64,
}

impl Host {
    /// The limits of inotify.
    pub fn inotify(&self) -> Option<Inotify> {
        Some(Inotify {
            max_instances: self.number("/proc/sys/fs/inotify/max_user_instances")?,
            max_watches: self.number("/proc/sys/fs/inotify/max_user_watches")?,
        })
    }

    /// How many inotify instances root's processes hold; `None` when their descriptors may not be seen. Walks over all
    /// processes, which takes some milliseconds.
    pub fn inotify_instances_in_use(&self) -> Option<usize> {
        // The first process belongs to root: who may look at its descriptors may look at all of them.
        if self.probe.list("/proc/1/fd").is_empty() {
            return None;
        }
        let processes = self.probe.list("/proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
        let of_root = processes.filter(|process| self.runs_as_root(process));
        Some(of_root.map(|process| self.inotify_descriptors(&process)).sum())
    }

    fn runs_as_root(&self, process: &str) -> bool {
        let status = self.text(&format!("/proc/{process}/status"));
        let uid = status.as_deref().and_then(|s| s.lines().find_map(|line| line.strip_prefix("Uid:")));
        uid.and_then(|uids| uids.split_whitespace().next()) == Some("0")
    }

    fn inotify_descriptors(&self, process: &str) -> usize {
        let folder = format!("/proc/{process}/fd");
        let is_inotify = |name: &String| {
            self.probe.link(&format!("{folder}/{name}")).is_some_and(|target| target.ends_with("inotify"))
        };
        self.probe.list(&folder).iter().filter(|name| is_inotify(name)).count()
    }

    /// `fs.file-max`: how many files the whole machine may hold open.
    pub fn file_max(&self) -> Option<u64> {
        self.number("/proc/sys/fs/file-max")
    }

    /// Memory of this machine.
    pub fn memory(&self) -> Option<Memory> {
        let text = self.text("/proc/meminfo")?;
        let kibibytes = |key: &str| -> Option<u64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        Some(Memory { total: kibibytes("MemTotal:")? * 1024, available: kibibytes("MemAvailable:")? * 1024 })
    }

    /// The process of the Docker daemon.
    fn dockerd(&self) -> Option<String> {
        // A dead daemon that its parent has not noticed (in containers whose first process does not reap) still has a
        // name, but is no daemon.
        let is_dead = |process: &str| {
            let status = self.text(&format!("/proc/{process}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:\tZ"))
        };
        let is_dockerd = |process: &String| {
            self.text(&format!("/proc/{process}/comm")).as_deref() == Some("dockerd") && !is_dead(process)
        };
        let noted = ["/run/docker.pid", "/var/run/docker.pid"].iter().find_map(|file| self.text(file));
        noted.filter(is_dockerd).or_else(|| self.probe.list("/proc").into_iter().find(is_dockerd))
    }

    /// Whether a Docker daemon runs among the processes that can be seen.
    pub fn docker_is_running(&self) -> bool {
        self.dockerd().is_some()
    }

    /// Whether the daemon may give CAP_SYS_RESOURCE to containers.
    pub fn docker_has_sys_resource(&self) -> Option<bool> {
        let status = self.text(&format!("/proc/{}/status", self.dockerd()?))?;
        Some(hex_field(&status, "CapBnd:")? & CAP_SYS_RESOURCE != 0)
    }

    /// The hard limit of open files that the daemon has and containers inherit; `u64::MAX` for «unlimited».
    pub fn docker_open_files(&self) -> Option<u64> {
        let limits = self.text(&format!("/proc/{}/limits", self.dockerd()?))?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        match line.split_whitespace().nth(1)? {
            "unlimited" => Some(u64::MAX),
            number => number.parse().ok(),
        }
    }

    /// The cgroup controllers that can be used, sorted. With version 2 and `rootless_uid`, those delegated to that user.
    pub fn cgroup_controllers(&self, version: u8, rootless_uid: Option<u32>) -> Option<Vec<String>> {
        let mut names: Vec<String> =
            match (version, rootless_uid) {
                (1, _) => {
                    let table = self.text("/proc/cgroups")?;
                    let enabled = |line: &str| line.split_whitespace().nth(3) == Some("1");
                    let rows = table.lines().filter(|line| !line.starts_with('#') && enabled(line));
                    rows.filter_map(|line| line.split_whitespace().next().map(Into::into)).collect()
                }
                (_, None) => words(&self.text("/sys/fs/cgroup/cgroup.controllers")?),
                (_, Some(uid)) => words(&self.text(&format!(
                    "/sys/fs/cgroup/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers"
                ))?),
            };
        names.sort_unstable();
        Some(names)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::super::probe::FakeProbe;
    use super::*;

    #[test]
    fn the_daemon_is_found_and_looked_at() {
        let with = |mask: &str| {
            FakeProbe::default()
                .file("/run/docker.pid", "77")
                .file("/proc/77/comm", "something-else\n")
                .file("/proc/812/comm", "dockerd\n")
                .file("/proc/812/status", format!("CapBnd:\t{mask}\n"))
                .file("/proc/812/limits", "Max open files            1024                 524288               files\n")
        };
        assert_eq!(Host::new(with("000001ffffffffff")).docker_has_sys_resource(), Some(true));
        assert_eq!(Host::new(with("000001fffeffffff")).docker_has_sys_resource(), Some(false));
        assert_eq!(Host::new(with("0")).docker_open_files(), Some(524_288));
        assert!(Host::new(with("0")).docker_is_running());
        assert!(!Host::new(with("0").file("/proc/812/status", "State:\tZ (zombie)\n")).docker_is_running());
        assert_eq!(Host::new(FakeProbe::default()).docker_has_sys_resource(), None);
    }

    #[test]
    fn counts_only_roots_inotify_instances() {
        let probe = FakeProbe::default()
            .symlink("/proc/1/fd/3", "anon_inode:inotify")
            .file("/proc/1/status", "Uid:\t0\t0\t0\t0\n")
            .symlink("/proc/20/fd/4", "anon_inode:inotify")
            .symlink("/proc/20/fd/5", "socket:[4711]")
            .file("/proc/20/status", "Uid:\t0\t0\t0\t0\n")
            .symlink("/proc/30/fd/4", "anon_inode:inotify")
            .file("/proc/30/status", "Uid:\t1000\t1000\t1000\t1000\n");
        assert_eq!(Host::new(probe).inotify_instances_in_use(), Some(2));
        assert_eq!(Host::new(FakeProbe::default()).inotify_instances_in_use(), None);
    }

    #[test]
    fn controllers_of_both_versions() {
        let probe = FakeProbe::default()
            .file("/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t4\t1\nmisc\t2\t1\t0\n")
            .file("/sys/fs/cgroup/cgroup.controllers", "pids cpu memory\n");
        let host = Host::new(probe);
        assert_eq!(host.cgroup_controllers(1, None), Some(vec!["cpu".into()]));
        assert_eq!(host.cgroup_controllers(2, None), Some(vec!["cpu".into(), "memory".into(), "pids".into()]));
        assert_eq!(host.cgroup_controllers(2, Some(1000)), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let meminfo = "MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:    2000 kB\n";
        let host = Host::new(FakeProbe::default().file("/proc/meminfo", meminfo));
        assert_eq!(host.memory(), Some(Memory { total: 8_192_000, available: 2_048_000 }));
    }
}
