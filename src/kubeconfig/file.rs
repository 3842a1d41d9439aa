//! One kubeconfig file on disk: read with honest errors, written whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{self, Facts, Kind, Replaced};

use super::context_name;
use super::document::{Document, MAX_BYTES, Obstacle};
use super::lock::state_file;
use super::store::Options;

/// A file as it was read.
pub(super) struct Loaded {
    /// As the user names it.
    pub(super) path: PathBuf,
    /// Where its links lead.
    pub(super) resolved: PathBuf,
    /// What it holds.
    pub(super) document: Document,
    bytes: Option<Vec<u8>>,
}

impl Loaded {
    /// Puts new content in its place. False if somebody wrote in between; nothing was changed then.
    pub(super) fn put(&self, document: &Document, options: &Options, notes: &mut Vec<String>) -> Result<bool> {
        let bytes = document.to_bytes();
        let unchanged = || Ok(fs::read_if_exists(&self.resolved, bound())? == self.bytes);
        match fs::replace(&self.resolved, options.owner, |f| f.write_all(&bytes), unchanged)? {
            Replaced::Done => Ok(true),
            Replaced::Overtaken => Ok(false),
            Replaced::Refused(reason) => {
                let Some(old) = &self.bytes else {
                    return Err(unwritable(&self.path).cause(reason));
                };
                if !unchanged()? {
                    return Ok(false);
                }
                self.write_in_place(old, &bytes, options)?;
                notes.push(format!("`{}` was written in place: {reason}", self.path.display()));
                Ok(true)
            }
        }
    }

    /// Writes over the file, with a copy of the old content beside it (or in the state folder) until that is done.
    fn write_in_place(&self, old: &[u8], new: &[u8], options: &Options) -> Result<()> {
        let beside = fs::may_write(fs::folder_of(&self.resolved));
        let copy = match &options.state_dir {
            _ if beside => {
                let mut name = self.resolved.as_os_str().to_owned();
                name.push(".knarr.bak");
                name.into()
            }
            Some(state) => {
                fs::create_dir_all(state, 0o700, options.owner)?;
                state_file(state, &self.resolved, ".bak")
            }
            None => {
                return Err(unwritable(&self.path).cause("its folder is not writable, so there is no place for a copy"));
            }
        };
        if !fs::create_new(&copy, old, 0o600)? {
            return Err(unwritable(&self.path)
                .cause(format!("`{}` is there: an earlier write was interrupted", copy.display()))
                .hint("compare the two files, keep the better content, and remove the copy"));
        }
        if let Err(error) = fs::overwrite(&self.resolved, new) {
            return Err(match fs::overwrite(&self.resolved, old).and_then(|()| fs::remove_file(&copy)) {
                Ok(_) => error.state("its old content was put back"),
                Err(_) => error.state(format!("its old content is in `{}`", copy.display())),
            });
        }
        fs::remove_file(&copy).map(|_| ())
    }

    /// A warning if others can read the credentials in the file.
    pub(super) fn warn_if_shared(&self) -> Result<Option<String>> {
        let mode = fs::facts(&self.resolved)?.map_or(0, |f| f.mode);
        let path = self.path.display();
        Ok((mode & 0o077 != 0).then(|| format!("others can read `{path}` (mode {mode:03o}): `chmod 600 {path}`")))
    }
}

/// Reads a file. One that does not exist is empty, and so is a device such as `/dev/null`.
pub(super) fn load(path: &Path) -> Result<Loaded> {
    let resolved = fs::resolve_links(path)?;
    let facts = fs::facts(&resolved)?;
    if facts.is_some_and(|f| f.kind == Kind::Folder) {
        return Err(unusable(path).cause("it is a folder"));
    }
    let bytes = match facts {
        Some(Facts { kind: Kind::File, .. }) => fs::read_if_exists(&resolved, bound())?,
        _ => None,
    };
    let document = Document::parse(bytes.as_deref().unwrap_or_default()).map_err(|defect| {
        unusable(path)
            .cause(defect)
            .state("the file was not touched")
            .hint("repair it, or use another one with `--kubeconfig <file>`")
    })?;
    Ok(Loaded { path: path.to_owned(), resolved, document, bytes })
}

/// Whether a file that is no kubeconfig may still hold something of a cluster.
pub(super) fn mentions(path: &Path, cluster: &str) -> bool {
    let name = context_name(cluster);
    match fs::facts(path) {
        Ok(Some(f)) if f.kind == Kind::File => {
            fs::read(path).map_or(true, |bytes| bytes.windows(name.len()).any(|w| w == name.as_bytes()))
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Finds out, without writing anything, whether a file can be written or made.
pub(super) fn check_writable(path: &Path, resolved: &Path) -> Result<()> {
    match fs::facts(resolved)? {
        Some(f) if f.kind != Kind::File => Err(unusable(path).cause("it is not a regular file")),
        Some(_) if fs::may_write(resolved) || fs::may_write(fs::folder_of(resolved)) => Ok(()),
        Some(_) => Err(unwritable(path).cause("you have no right to write it, nor into its folder")),
        None => {
            let mut folders = fs::folder_of(resolved).ancestors().map(or_here);
            let nearest = folders.find_map(|p| fs::facts(p).ok().flatten().map(|f| (p, f)));
            match nearest {
                Some((p, f)) if f.kind == Kind::Folder && fs::may_write(p) => Ok(()),
                Some((p, _)) => Err(unwritable(path).cause(format!("`{}` is not a writable folder", p.display()))),
                None => Err(unwritable(path).cause("its folder cannot be found")),
            }
        }
    }
}

/// Says why a cluster cannot be merged into a file.
pub(super) fn obstructed(path: &Path, cluster: &str, obstacle: Obstacle) -> Error {
    let name = context_name(cluster);
    match obstacle {
        Obstacle::Foreign(list) => {
            let at = path.display();
            Error::new(ErrorKind::Exists, format!("kubeconfig `{at}` already has a `{name}` that knarr did not write"))
                .cause(format!("it is in the list `{list}`"))
                .state("the file was not touched")
                .hint(format!("rename or remove it, choose another cluster name than `{cluster}`, or use another file with `--kubeconfig <file>`"))
        }
        Obstacle::Duplicate(list) => unusable(path)
            .cause(format!("two items of `{list}` have the same name, which kubectl refuses"))
            .state("the file was not touched")
            .hint("remove one of them"),
        Obstacle::Layout => unusable(path)
            .cause("no change could be made that leaves the meaning of everything else as it is")
            .state("the file was not touched")
            .hint("use another file with `--kubeconfig <file>`"),
    }
}

/// Somebody without locks writes faster than we read.
pub(super) fn restless(path: &Path) -> Error {
    Error::failed(format!("cannot write kubeconfig `{}`", path.display()))
        .cause("another program changed it again and again")
        .state("its newest content was not touched")
}

/// One byte more than what is accepted, so that too much can be told from just enough.
fn bound() -> u64 {
    MAX_BYTES as u64 + 1
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn unusable(path: &Path) -> Error {
    Error::new(ErrorKind::Environment, format!("cannot use kubeconfig `{}`", path.display()))
}

fn unwritable(path: &Path) -> Error {
    Error::new(ErrorKind::Environment, format!("cannot write kubeconfig `{}`", path.display()))
        .hint("use another file with `--kubeconfig <file>`, or none with `--kubeconfig -`")
}
