//! How facts are read: files of /proc and /sys, folders, links, free space. Absent and unreadable are the same here.

use std::path::Path;

use crate::fs;

/// Reads a machine. Whatever cannot be read is absent: a fact that is not known.
pub trait Probe: Send + Sync + 'static {
    /// The content of a file.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// Whether something is at `path`.
    fn exists(&self, path: &str) -> bool;
    /// Whether this process may write to what is at `path`.
    fn may_write(&self, path: &str) -> bool;
    /// The names in a folder, sorted.
    fn list(&self, path: &str) -> Vec<String>;
    /// Where a link leads.
    fn link(&self, path: &str) -> Option<String>;
    /// The space of the file system on which `path` is.
    fn space(&self, path: &str) -> Option<Space>;
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What may still be written.
    pub free: u64,
}

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealProbe;

impl Probe for RealProbe {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(Path::new(path)).ok()
    }

    fn exists(&self, path: &str) -> bool {
        fs::facts(Path::new(path)).is_ok_and(|facts| facts.is_some())
    }

    fn may_write(&self, path: &str) -> bool {
        fs::may_write(Path::new(path))
    }

    fn list(&self, path: &str) -> Vec<String> {
        let paths = fs::list(Path::new(path)).unwrap_or_default();
        paths.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    fn link(&self, path: &str) -> Option<String> {
        fs::resolve_links(Path::new(path)).ok()?.into_os_string().into_string().ok()
    }

    fn space(&self, path: &str) -> Option<Space> {
        let facts = rustix::fs::statvfs(path).ok()?;
        Some(Space { total: facts.f_blocks * facts.f_frsize, free: facts.f_bavail * facts.f_frsize })
    }
}

/// A machine as a test describes it.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct FakeProbe {
    files: std::collections::BTreeMap<String, Vec<u8>>,
    links: std::collections::BTreeMap<String, String>,
    space: Option<Space>,
}

#[cfg(test)]
impl FakeProbe {
    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), content.as_ref().into());
        self
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        self.files.remove(path);
        self
    }

    pub(crate) fn symlink(mut self, path: &str, target: &str) -> Self {
        self.links.insert(path.into(), target.into());
        self
    }

    pub(crate) fn disk(mut self, total: u64, free: u64) -> Self {
        self.space = Some(Space { total, free });
        self
    }

    fn paths(&self) -> impl Iterator<Item = &String> {
        self.files.keys().chain(self.links.keys())
    }
}

#[cfg(test)]
impl Probe for FakeProbe {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).cloned()
    }

    fn exists(&self, path: &str) -> bool {
        self.paths().any(|p| p == path || p.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    fn may_write(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|content| content != b"read-only")
    }

    fn list(&self, path: &str) -> Vec<String> {
        let below = |p: &String| Some(p.strip_prefix(path)?.strip_prefix('/')?.split('/').next()?.to_owned());
        self.paths().filter_map(below).collect::<std::collections::BTreeSet<String>>().into_iter().collect()
    }

    fn link(&self, path: &str) -> Option<String> {
        self.links.get(path).cloned()
    }

    fn space(&self, _: &str) -> Option<Space> {
        self.space
    }
}

/// A Docker Engine as most people have it.
#[cfg(test)]
pub(crate) fn sample_engine() -> crate::engine::EngineInfo {
    crate::engine::EngineInfo {
        id: "4d0c".into(),
        address: "unix:///var/run/docker.sock".into(),
        version: "28.2.2".into(),
        api_version: "1.50".into(),
        os: "linux".into(),
        arch: "amd64".into(),
        operating_system: "Debian GNU/Linux 13 (trixie)".into(),
        kernel: "6.12.1-amd64".into(),
        cgroup_version: 2,
        storage_driver: "overlay2".into(),
        security_options: vec!["seccomp".into()],
        root_dir: "/var/lib/docker".into(),
        cpus: 8,
        memory: 16 << 30,
        clock: Some(1_795_435_200),
        http_proxy: None,
        https_proxy: None,
        no_proxy: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_machine() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().to_str().expect("temporary folders have plain names");
        assert!(RealProbe.exists(path));
        assert!(!RealProbe.exists(&format!("{path}/absent")));
        assert_eq!(RealProbe.read(&format!("{path}/absent")), None);
        assert_eq!(RealProbe.list(path), Vec::<String>::new());
        assert!(RealProbe.space(path).is_some_and(|space| space.total >= space.free));
    }
}
