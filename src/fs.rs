//! The only user of `std::fs`: every error carries its path, and files of other people are replaced, never truncated.
#![expect(clippy::disallowed_methods, reason = "this is the file in which they are allowed")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, ErrorKind, Result};

/// How many symbolic links in a row are followed, as in the Linux kernel.
const MAX_LINKS: usize = 40;

/// Who shall own a new file when knarr runs under sudo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `SUDO_UID`
    pub uid: u32,
    /// `SUDO_GID`
    pub gid: u32,
}

/// What a path leads to, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A device, pipe or socket.
    Special,
}

/// What is known of an existing file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub len: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner and group.
    pub owner: Owner,
    /// How many names it has.
    pub links: u64,
    /// When it was last written, where the file system knows.
    pub modified: Option<SystemTime>,
}

/// How an atomic replacement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new bytes are in place, on disk.
    Done,
    /// The caller's last look found that somebody else had written; nothing was changed.
    Overtaken,
    /// This file cannot be replaced, only written in place, for the reason given; nothing was changed.
    Refused(String),
}

/// The current folder.
pub fn current_dir() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| failure("find", Path::new("."), &e))
}

/// The whole content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| failure("read", path, &e))
}

/// The whole content of a text file.
pub fn read_to_string(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| failure("read", path, &e))
}

/// The content of a file, at most `limit` bytes of it; `None` where there is no file.
pub fn read_if_exists(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(failure("read", path, &e)),
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|e| failure("read", path, &e))?;
    Ok(Some(bytes))
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| failure("open", path, &e))
}

/// Creates a file, or empties the one that is there; `mode` counts for a new one.
pub fn create(path: &Path, mode: u32) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .map_err(|e| failure("create", path, &e))
}

/// Opens a file that is there to be locked, creating it empty; `owner` counts for a new one.
pub fn open_to_lock(path: &Path, owner: Option<Owner>) -> Result<File> {
    let is_new = fs::metadata(path).is_err();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|e| failure("open", path, &e))?;
    if let (Some(owner), true) = (owner, is_new) {
        take_owner(&file, owner).map_err(|e| failure("give away", path, &e))?;
    }
    Ok(file)
}

/// What tells a file that was opened from every other one that exists now on this machine.
pub fn number(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// Writes a whole file; `mode` counts for a new one. For files that are ours alone and cheap to make again.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    create(path, mode)?.write_all(bytes).map_err(|e| failure("write", path, &e))
}

/// Creates a file that must not exist yet; false if something has its name.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<bool> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(e) => return Err(failure("create", path, &e)),
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map(|()| true).map_err(|e| {
        // Half a file must not block its name for the next attempt.
        let _ = fs::remove_file(path);
        failure("write", path, &e)
    })
}

/// Overwrites an existing file where it stands. A crash half-way loses content: only for files that refuse
/// [`replace`].
pub fn overwrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(path).map_err(|e| failure("open", path, &e))?;
    // The bytes go first and the cut comes last, so that a full disk finds as much as possible still there.
    file.write_all(bytes)
        .and_then(|()| file.set_len(bytes.len() as u64))
        .and_then(|()| file.sync_all())
        .map_err(|e| failure("write", path, &e))
}

/// Creates a folder and its parents; new ones get `mode` and `owner`.
pub fn create_dir_all(path: &Path, mode: u32, owner: Option<Owner>) -> Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|p| !p.as_os_str().is_empty() && fs::metadata(p).is_err()).collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(folder) {
            Ok(()) => {}
            // Somebody was faster.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(failure("create folder", folder, &e)),
        }
        if let Some(owner) = owner {
            chown(folder, Some(owner.uid), Some(owner.gid)).map_err(|e| failure("give away", folder, &e))?;
        }
    }
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(Error::failed(format!("cannot create folder `{}`", path.display())).cause("a file has its name")),
        Err(e) => Err(failure("create folder", path, &e)),
    }
}

/// Removes a file or link; false if it was not there.
pub fn remove_file(path: &Path) -> Result<bool> {
    gone(fs::remove_file(path), path)
}

/// Removes a folder with everything in it; false if it was not there.
pub fn remove_dir_all(path: &Path) -> Result<bool> {
    gone(fs::remove_dir_all(path), path)
}

/// Gives a file another name on the same file system.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| failure("rename", from, &e))
}

/// The paths in a folder, sorted.
pub fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).map_err(|e| failure("list", path, &e))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|e| failure("list", path, &e))?;
    paths.sort_unstable();
    Ok(paths)
}

/// What a path leads to, links followed; `None` where there is nothing.
pub fn facts(path: &Path) -> Result<Option<Facts>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(failure("look at", path, &e)),
    };
    let kind = if meta.is_file() {
        Kind::File
    } else if meta.is_dir() {
        Kind::Folder
    } else {
        Kind::Special
    };
    Ok(Some(Facts {
        kind,
        len: meta.len(),
        mode: meta.mode() & 0o7777,
        owner: Owner { uid: meta.uid(), gid: meta.gid() },
        links: meta.nlink(),
        modified: meta.modified().ok(),
    }))
}

/// Whether this process may write to an existing file, or into an existing folder.
pub fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The folder a path is in; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Follows the links at the end of a path, also to a name that does not exist yet.
pub fn resolve_links(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&at) {
            Ok(meta) if meta.is_symlink() => {
                let target = fs::read_link(&at).map_err(|e| failure("follow", &at, &e))?;
                at = folder_of(&at).join(target);
            }
            Ok(_) => return Ok(at),
            Err(e) if is_absent(&e) => return Ok(at),
            Err(e) => return Err(failure("look at", &at, &e)),
        }
    }
    Err(Error::new(ErrorKind::Environment, format!("cannot follow `{}`", path.display()))
        .cause("its symbolic links go round in a circle"))
}

/// Puts new content in the place of a file so that every reader sees the old or the new, whole, whatever crashes.
///
/// `path` must not be a link ([`resolve_links`] first). An existing file keeps its mode and owner; a new one gets
/// 0600 and `owner`. `still_right` is asked once the bytes are on disk, just before they take the name.
pub fn replace(
    path: &Path,
    owner: Option<Owner>,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
    still_right: impl FnOnce() -> Result<bool>,
) -> Result<Replaced> {
    let before = facts(path)?;
    if before.is_some_and(|f| f.links > 1) {
        return Ok(Replaced::Refused("it has a second name (hard link)".to_owned()));
    }
    let mut builder = tempfile::Builder::new();
    let prefix = temporary_prefix(path);
    builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX);
    let mut temporary = match builder.tempfile_in(folder_of(path)) {
        Ok(file) => file,
        Err(e) if is_refusal(&e) => return Ok(Replaced::Refused(plain(&e))),
        Err(e) => return Err(failure("write beside", path, &e)),
    };
    let file = temporary.as_file_mut();
    fill(file).map_err(|e| failure("write", path, &e))?;
    if let Some(wanted) = before.map(|f| f.owner).or(owner)
        && let Err(e) = take_owner(file, wanted)
    {
        return Ok(Replaced::Refused(format!("its owner cannot be kept: {}", plain(&e))));
    }
    let mode = before.map_or(0o600, |f| f.mode);
    file.set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| file.sync_all())
        .map_err(|e| failure("write", path, &e))?;
    if !still_right()? {
        return Ok(Replaced::Overtaken);
    }
    match temporary.persist(path) {
        Ok(_) => {}
        Err(e) if is_refusal(&e.error) => return Ok(Replaced::Refused(plain(&e.error))),
        Err(e) => return Err(failure("replace", path, &e.error)),
    }
    // Some file systems cannot sync a folder; the replacement itself has happened.
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    Ok(Replaced::Done)
}

/// Removes what killed processes left of their replacements of `path`. The caller must hold a lock that excludes
/// running ones.
pub fn sweep_temporaries(path: &Path) -> Result<()> {
    let prefix = temporary_prefix(path);
    for candidate in list(folder_of(path))? {
        let name = candidate.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(&prefix) && name.ends_with(TEMPORARY_SUFFIX) {
            remove_file(&candidate)?;
        }
    }
    Ok(())
}

const TEMPORARY_SUFFIX: &str = ".tmp";

fn temporary_prefix(path: &Path) -> String {
    format!(".{}.knarr-", path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default())
}

fn take_owner(file: &File, wanted: Owner) -> io::Result<()> {
    let meta = file.metadata()?;
    let uid = (meta.uid() != wanted.uid).then_some(wanted.uid);
    let gid = (meta.gid() != wanted.gid).then_some(wanted.gid);
    if uid.is_none() && gid.is_none() { Ok(()) } else { fchown(file, uid, gid) }
}

fn gone(result: io::Result<()>, path: &Path) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if is_absent(&e) => Ok(false),
        Err(e) => Err(failure("remove", path, &e)),
    }
}

/// `a/b` is absent also when `a` is a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The file or its folder cannot be exchanged, which says nothing yet about writing into the file.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy | CrossesDevices)
}

fn failure(what: &str, path: &Path, error: &io::Error) -> Error {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kind = match error.kind() {
        PermissionDenied | ReadOnlyFilesystem | StorageFull | QuotaExceeded => ErrorKind::Environment,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, format!("cannot {what} `{}`", path.display())).cause(plain(error))
}

/// The operating system's words without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_path_and_the_reason_once() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = read_to_string(&missing).unwrap_err();
        assert_eq!(error.message, format!("cannot read `{}`", missing.display()));
        assert_eq!(error.causes, ["no such file or directory"]);
        write(&missing, b"x", 0o600).unwrap();
        let below = missing.join("below/deeper");
        assert!(create_dir_all(&below, 0o700, None).unwrap_err().message.contains("below"));
        assert_eq!(create_dir_all(&missing, 0o700, None).unwrap_err().causes, ["a file has its name"]);
    }

    #[test]
    fn what_is_not_there_is_no_error_where_that_makes_sense() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert_eq!(facts(&path.join("b")).unwrap(), None);
        assert_eq!(read_if_exists(&path, 9).unwrap(), None);
        assert!(!remove_file(&path).unwrap() && !remove_dir_all(&path).unwrap());
        assert!(create_new(&path, b"1", 0o600).unwrap() && !create_new(&path, b"2", 0o600).unwrap());
        assert_eq!(read_if_exists(&path, 9).unwrap().unwrap(), b"1");
        assert_eq!(list(folder.path()).unwrap(), [path]);
        assert_eq!(folder_of(Path::new("bare")), Path::new("."));
    }
}
