//! Which kubeconfig files count, as kubectl decides it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::fs;

/// The files that make up the user's kubeconfig, in the order of their precedence; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    list: Vec<PathBuf>,
}

impl Paths {
    /// Chooses: `flag` alone, else the files of `kubeconfig` (the variable), else `.kube/config` in `home`. `None` if
    /// the flag is `-`: no kubeconfig is wanted.
    ///
    /// # Errors
    ///
    /// If nothing names a file.
    pub fn choose(flag: Option<&Path>, kubeconfig: Option<&OsStr>, home: Option<&Path>) -> Result<Option<Self>> {
        if let Some(flag) = flag {
            return Ok((flag != Path::new("-")).then(|| Self { list: vec![flag.to_owned()] }));
        }
        let mut list: Vec<PathBuf> = Vec::new();
        for path in kubeconfig.map(std::env::split_paths).into_iter().flatten() {
            if !path.as_os_str().is_empty() && !list.contains(&path) {
                list.push(path);
            }
        }
        if list.is_empty() {
            let home = home.filter(|h| !h.as_os_str().is_empty()).ok_or_else(|| {
                Error::new(ErrorKind::Environment, "cannot tell where your kubeconfig is")
                    .cause("neither `KUBECONFIG` nor `HOME` is set")
                    .hint("name a file with `--kubeconfig <file>`, or do without one with `--kubeconfig -`")
            })?;
            list.push(home.join(".kube").join("config"));
        }
        Ok(Some(Self { list }))
    }

    /// Adds a file to clean up too, such as the one that `create` wrote to. Only for removals: the file could become the
    /// target of new entries.
    pub fn also(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if !self.list.contains(&path) {
            self.list.push(path);
        }
        self
    }

    /// All files, also those that do not exist.
    pub fn list(&self) -> &[PathBuf] {
        &self.list
    }

    /// Where new entries go: the first regular file that exists, else the last of the list.
    pub fn target(&self) -> &Path {
        let exists = |p: &&PathBuf| matches!(fs::facts(p), Ok(Some(f)) if f.kind == fs::Kind::File);
        self.list.iter().find(exists).or(self.list.last()).expect("the list has at least one file")
    }
}
