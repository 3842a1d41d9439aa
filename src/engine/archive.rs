//! Builds and reads tar archives in memory, for the files that go into and come out of containers.
//!
//! Contents may be private keys: buffers are wiped when they are dropped, nothing here prints them, and an archive that
//! was read holds plain files and folders only, with names that stay below where they are unpacked.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use futures::StreamExt;
use tar::{EntryType, Header};
use zeroize::Zeroizing;

use super::ByteStream;
use crate::error::{Error, ErrorKind, Result};

/// Tar's unit: headers are one block, contents are filled up to whole blocks.
const BLOCK: usize = 512;
/// The mode of folders that nobody asked for by name.
const FOLDER_MODE: u32 = 0o755;
/// The mode that every symbolic link has.
const LINK_MODE: u32 = 0o777;

/// Files and folders to be put into a container, sorted by path, all owned by root.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree {
    mtime: u64,
    /// By path without slashes at its ends; no contents means a folder.
    items: BTreeMap<String, Item>,
}

#[derive(Clone, PartialEq, Eq)]
struct Item {
    mode: u32,
    contents: Option<Zeroizing<Vec<u8>>>,
    /// Where a symbolic link leads.
    target: Option<String>,
}

impl Tree {
    /// An empty tree whose items were all modified at `mtime`, in seconds since 1970.
    pub fn new(mtime: u64) -> Self {
        Self { mtime, items: BTreeMap::new() }
    }

    /// Adds a file; folders above it that are missing come with mode 0755. A file of the same path is replaced.
    ///
    /// # Errors
    /// When `path` is absolute, empty, or leads upwards.
    pub fn file(&mut self, path: &str, mode: u32, contents: impl Into<Vec<u8>>) -> Result<&mut Self> {
        let contents = Zeroizing::new(contents.into());
        self.insert(path, Item { mode, contents: Some(contents), target: None })
    }

    /// Adds a folder, or gives the one that came with a file another mode.
    ///
    /// # Errors
    /// When `path` is absolute, empty, or leads upwards.
    pub fn folder(&mut self, path: &str, mode: u32) -> Result<&mut Self> {
        self.insert(path, Item { mode, contents: None, target: None })
    }

    /// Adds a symbolic link. Where it leads is not checked: it is followed inside the container.
    ///
    /// # Errors
    /// When `path` is absolute, empty, or leads upwards.
    pub fn link(&mut self, path: &str, target: &str) -> Result<&mut Self> {
        self.insert(path, Item { mode: LINK_MODE, contents: None, target: Some(target.to_owned()) })
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The archive: the same tree gives the same bytes.
    ///
    /// # Errors
    /// When a file was also used as a folder.
    pub fn build(&self) -> Result<Vec<u8>> {
        // Room for everything at once, so that growing leaves no copies of contents behind in freed memory.
        let size: usize = self.items.iter().map(|(path, item)| item.size(path)).sum();
        let mut builder = tar::Builder::new(Vec::with_capacity(size + 2 * BLOCK));
        for (path, item) in &self.items {
            let mut header = Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mode(item.mode);
            header.set_mtime(self.mtime);
            let contents = item.contents.as_ref().map_or(&[][..], |c| c.as_slice());
            header.set_size(contents.len() as u64);
            header.set_entry_type(if item.contents.is_some() { EntryType::Regular } else { EntryType::Directory });
            let packed = match &item.target {
                Some(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    builder.append_link(&mut header, path, target)
                }
                None => builder.append_data(&mut header, path, contents),
            };
            packed.map_err(|e| cannot_pack(path).cause(e))?;
        }
        builder.into_inner().map_err(|e| cannot_pack("").cause(e))
    }

    fn insert(&mut self, path: &str, item: Item) -> Result<&mut Self> {
        let path = safe_path(path).map_err(|why| cannot_pack(path).cause(why))?;
        for (at, _) in path.match_indices('/') {
            let above = &path[..at];
            let folder = Item { mode: FOLDER_MODE, contents: None, target: None };
            let above_it = self.items.entry(above.to_owned()).or_insert(folder);
            if above_it.contents.is_some() || above_it.target.is_some() {
                return Err(cannot_pack(&path).cause(format!("`{above}` is no folder")));
            }
        }
        let below = format!("{path}/");
        let has_children = self.items.range(below.clone()..).next().is_some_and(|(p, _)| p.starts_with(&below));
        if (item.contents.is_some() || item.target.is_some()) && has_children {
            return Err(cannot_pack(&path).cause("it is a folder with files in it"));
        }
        self.items.insert(path, item);
        Ok(self)
    }
}

impl fmt::Debug for Tree {
    /// Paths and sizes, never contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (path, item) in &self.items {
            match &item.contents {
                Some(contents) => map.entry(path, &format_args!("{:o}, {} bytes", item.mode, contents.len())),
                None => map.entry(path, &format_args!("{:o}, folder", item.mode)),
            };
        }
        map.finish()
    }
}

impl Item {
    /// Bytes that the item takes in an archive, with further blocks for a name that is too long for one.
    fn size(&self, path: &str) -> usize {
        let contents = self.contents.as_ref().map_or(0, |c| c.len());
        let long_name = if path.len() > 100 { BLOCK + (path.len() + 1).next_multiple_of(BLOCK) } else { 0 };
        BLOCK + contents.next_multiple_of(BLOCK) + long_name
    }
}

/// A file or a folder out of an archive.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, relative, without slashes at its ends.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What is in it; none for a folder.
    pub contents: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Entry {
    /// Path, mode and size, never contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.contents.as_ref().map(|c| c.len());
        f.debug_struct("Entry").field("path", &self.path).field("mode", &self.mode).field("size", &size).finish()
    }
}

/// Reads a whole archive.
///
/// # Errors
/// When it is broken, or holds anything but files and folders below where it is unpacked.
pub fn read(archive: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut reader = tar::Archive::new(archive);
    for entry in reader.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if let Some(why) = unwanted(kind) {
            return Err(Error::failed(format!("cannot unpack `{raw}`")).cause(why));
        }
        let name = raw.trim_end_matches('/');
        // «.» is the archive's own root.
        if kind.is_dir() && (name == "." || name.is_empty() && !raw.starts_with('/')) {
            continue;
        }
        let path = safe_path(name).map_err(|why| Error::failed(format!("cannot unpack `{raw}`")).cause(why))?;
        let mode = entry.header().mode().map_err(broken)? & 0o7777;
        let contents = if kind.is_dir() {
            None
        } else {
            // Never more than the archive itself has: a header may claim anything.
            let claimed = usize::try_from(entry.size()).unwrap_or(usize::MAX).min(archive.len());
            let mut contents = Zeroizing::new(Vec::with_capacity(claimed));
            entry.read_to_end(&mut contents).map_err(broken)?;
            Some(contents)
        };
        entries.push(Entry { path, mode, contents });
    }
    Ok(entries)
}

/// Collects a stream, up to `limit` bytes.
///
/// # Errors
/// When the stream fails, or has more than `limit` bytes.
pub async fn collect(mut stream: ByteStream, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut all = Zeroizing::new(Vec::new());
    while let Some(piece) = stream.next().await {
        let piece = Zeroizing::new(piece?);
        if all.len() + piece.len() > limit {
            return Err(Error::failed("cannot read the archive").cause(format!("it has more than {limit} bytes")));
        }
        if all.capacity() < all.len() + piece.len() {
            // Grow by hand: `Vec` would leave its old buffer behind unwiped.
            let mut larger = Zeroizing::new(Vec::with_capacity((all.len() + piece.len()).max(2 * all.capacity())));
            larger.extend_from_slice(&all);
            all = larger;
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// The one file of a streamed archive, as [`super::Engine::get_archive`] answers when it is asked for a file.
///
/// # Errors
/// When the stream fails or has more than `limit` bytes, or when the archive does not hold exactly one file.
pub async fn read_file(stream: ByteStream, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    let archive = collect(stream, limit.saturating_add(8 * BLOCK)).await?;
    let mut files = read(&archive)?.into_iter().filter_map(|entry| entry.contents);
    match (files.next(), files.next()) {
        (Some(contents), None) => Ok(contents),
        (None, _) => Err(Error::failed("cannot read the file").cause("the archive has no file in it")),
        (Some(_), Some(_)) => Err(Error::failed("cannot read the file").cause("the archive has several files in it")),
    }
}

/// The path without slashes at its end and `./` at its start, or why it may not be used.
fn safe_path(path: &str) -> Result<String, &'static str> {
    if path.starts_with('/') {
        return Err("its path is absolute");
    }
    if path.contains('\0') {
        return Err("its path has a zero byte in it");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("its path leads upwards with `..`");
    }
    if parts.is_empty() {
        return Err("its path is empty");
    }
    Ok(parts.join("/"))
}

/// Why an entry of this type is refused.
fn unwanted(kind: EntryType) -> Option<&'static str> {
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => None,
        EntryType::Symlink => Some("it is a symbolic link"),
        EntryType::Link => Some("it is a hard link"),
        EntryType::Char | EntryType::Block => Some("it is a device"),
        EntryType::Fifo => Some("it is a pipe"),
        _ => Some("it is neither a file nor a folder"),
    }
}

fn cannot_pack(path: &str) -> Error {
    Error::new(ErrorKind::Bug, format!("cannot pack `{path}`"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: std::io::Error) -> Error {
    Error::failed("cannot read the archive").cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(pieces: Vec<Vec<u8>>) -> ByteStream {
        Box::pin(futures::stream::iter(pieces.into_iter().map(Ok)))
    }

    /// An archive with one entry, written past every check of the `tar` crate.
    fn raw(path: &str, kind: EntryType, link: &str) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.resize(3 * BLOCK, 0);
        bytes
    }

    #[test]
    fn round_trip_is_sorted_and_deterministic() {
        let mut tree = Tree::new(1_700_000_000);
        tree.file("pki/ca.key", 0o600, b"secret".to_vec()).unwrap();
        tree.file("admin.conf", 0o600, b"conf".to_vec()).unwrap();
        tree.folder("pki", 0o700).unwrap();
        tree.file(&format!("deep/{}/x", "n".repeat(150)), 0o644, vec![1; 1000]).unwrap();
        let archive = tree.build().unwrap();
        assert_eq!(archive, tree.build().unwrap());
        assert_eq!(archive.capacity(), archive.len(), "the room was foreseen exactly, so nothing was moved");
        let entries = read(&archive).unwrap();
        let seen: Vec<(&str, u32)> = entries.iter().map(|e| (e.path.as_str(), e.mode)).collect();
        let deep = format!("deep/{}", "n".repeat(150));
        let file = format!("{deep}/x");
        assert_eq!(
            seen,
            [
                ("admin.conf", 0o600),
                ("deep", 0o755),
                (&deep, 0o755),
                (&file, 0o644),
                ("pki", 0o700),
                ("pki/ca.key", 0o600)
            ]
        );
        assert_eq!(entries[5].contents.as_ref().unwrap().as_slice(), b"secret");
    }

    #[test]
    fn debug_shows_no_contents() {
        let mut tree = Tree::new(0);
        tree.file("ca.key", 0o600, b"sesame".to_vec()).unwrap();
        let entries = read(&tree.build().unwrap()).unwrap();
        let shown = format!("{tree:?} {entries:?}");
        assert!(shown.contains("ca.key") && !shown.contains("sesame") && !shown.contains("115"), "{shown}");
    }

    #[test]
    fn writing_refuses_paths_that_escape_or_clash() {
        let mut tree = Tree::new(0);
        tree.file("a/b", 0o644, b"x".to_vec()).unwrap();
        for (path, why) in [
            ("/etc/passwd", "its path is absolute"),
            ("a/../../b", "its path leads upwards with `..`"),
            ("", "its path is empty"),
            ("a/b/c", "`a/b` is a file"),
            ("a", "it is a folder with files in it"),
        ] {
            let error = tree.file(path, 0o644, Vec::new()).unwrap_err();
            assert_eq!(error.causes, [why], "{path}");
        }
    }

    #[test]
    fn reading_refuses_what_is_no_plain_file() {
        for (path, kind, why) in [
            ("x", EntryType::Symlink, "it is a symbolic link"),
            ("x", EntryType::Link, "it is a hard link"),
            ("x", EntryType::Char, "it is a device"),
            ("x", EntryType::Block, "it is a device"),
            ("x", EntryType::Fifo, "it is a pipe"),
            ("/etc/passwd", EntryType::Regular, "its path is absolute"),
            ("/", EntryType::Directory, "its path is empty"),
            ("a/../b", EntryType::Regular, "its path leads upwards with `..`"),
        ] {
            let error = read(&raw(path, kind, "/etc/shadow")).unwrap_err();
            assert_eq!(error.message, format!("cannot unpack `{path}`"));
            assert_eq!(error.causes, [why], "{path}");
        }
        assert_eq!(read(&raw("./", EntryType::Directory, "")).unwrap(), []);
    }

    #[test]
    fn reading_refuses_a_broken_archive() {
        let mut tree = Tree::new(0);
        tree.file("a", 0o644, vec![7; 5000]).unwrap();
        let archive = tree.build().unwrap();
        assert!(read(&archive[..3 * BLOCK]).is_err());
        assert!(read(&[1; 1024]).is_err());
    }

    #[tokio::test]
    async fn one_file_out_of_a_stream() {
        let mut tree = Tree::new(0);
        tree.file("status.json", 0o644, b"{}".to_vec()).unwrap();
        let archive = tree.build().unwrap();
        let pieces: Vec<Vec<u8>> = archive.chunks(100).map(<[u8]>::to_vec).collect();
        assert_eq!(read_file(stream(pieces.clone()), 1000).await.unwrap().as_slice(), b"{}");
        let error = collect(stream(pieces), 1000).await.unwrap_err();
        assert_eq!(error.causes, ["it has more than 1000 bytes"]);
        tree.file("other", 0o644, Vec::new()).unwrap();
        let error = read_file(stream(vec![tree.build().unwrap()]), 1000).await.unwrap_err();
        assert_eq!(error.causes, ["the archive has several files in it"]);
    }
}
