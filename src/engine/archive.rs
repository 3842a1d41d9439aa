//! Builds and reads tar archives in memory, for the files that go into and come out of containers.
//!
//! Contents may be private keys: buffers are wiped when they are dropped, nothing here prints them, and an archive that
//! was read holds plain files and folders only, with names that stay below where they are unpacked.

#[cfg(test)]
mod tests;

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

/// How much of an archive is taken into memory: more than anything of a node that knarr reads whole.
const MOST: usize = 1 << 30;

/// Files, folders and links to be put into a container, sorted by path, all owned by root.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree {
    mtime: u64,
    /// By path without slashes at its ends.
    items: BTreeMap<String, Item>,
}

/// What stands at a path.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Its permissions; they mean nothing for a link.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Folder,
    /// A file with these bytes.
    File(Zeroizing<Vec<u8>>),
    /// A symbolic link to this path.
    Link(String),
}

impl fmt::Debug for Content {
    /// A size, never the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => f.write_str("folder"),
            Self::File(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Link(target) => write!(f, "link to {target}"),
        }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:o}, {:?}", self.mode, self.content)
    }
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
        self.insert(path, Item { mode, content: Content::File(Zeroizing::new(contents.into())) })
    }

    /// Adds a folder, or gives the one that came with a file another mode.
    ///
    /// # Errors
    /// When `path` is absolute, empty, or leads upwards.
    pub fn folder(&mut self, path: &str, mode: u32) -> Result<&mut Self> {
        self.insert(path, Item { mode, content: Content::Folder })
    }

    /// Adds a symbolic link; `target` may lead anywhere.
    ///
    /// # Errors
    /// When `path` is absolute, empty, or leads upwards.
    pub fn link(&mut self, path: &str, target: &str) -> Result<&mut Self> {
        self.insert(path, Item { mode: 0o777, content: Content::Link(target.to_owned()) })
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
            let packed = match &item.content {
                Content::Folder => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_size(0);
                    builder.append_data(&mut header, path, std::io::empty())
                }
                Content::File(bytes) => {
                    header.set_size(bytes.len() as u64);
                    builder.append_data(&mut header, path, bytes.as_slice())
                }
                Content::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_size(0);
                    builder.append_link(&mut header, path, target)
                }
            };
            packed.map_err(|e| cannot_pack(path).cause(e))?;
        }
        builder.into_inner().map_err(|e| cannot_pack("").cause(e))
    }

    pub(super) fn insert(&mut self, path: &str, item: Item) -> Result<&mut Self> {
        let path = safe_path(path).map_err(|why| cannot_pack(path).cause(why))?;
        for (at, _) in path.match_indices('/') {
            let above = &path[..at];
            let folder = Item { mode: FOLDER_MODE, content: Content::Folder };
            if self.items.entry(above.to_owned()).or_insert(folder).content != Content::Folder {
                return Err(cannot_pack(&path).cause(format!("`{above}` is no folder")));
            }
        }
        let below = format!("{path}/");
        let has_children = self.items.range(below.clone()..).next().is_some_and(|(p, _)| p.starts_with(&below));
        if item.content != Content::Folder && has_children {
            return Err(cannot_pack(&path).cause("it is a folder with files in it"));
        }
        self.items.insert(path, item);
        Ok(self)
    }
}

impl fmt::Debug for Tree {
    /// Paths and sizes, never contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.items).finish()
    }
}

impl Item {
    /// Bytes that the item takes in an archive, with further blocks for a name that is too long for one.
    fn size(&self, path: &str) -> usize {
        let long = |name: &str| if name.len() > 100 { BLOCK + (name.len() + 1).next_multiple_of(BLOCK) } else { 0 };
        let content = match &self.content {
            Content::Folder => 0,
            Content::File(bytes) => bytes.len().next_multiple_of(BLOCK),
            Content::Link(target) => long(target),
        };
        BLOCK + content + long(path)
    }
}

/// Reads a whole archive of files and folders, by path.
///
/// # Errors
/// When it is broken, or holds anything but files and folders below where it is unpacked.
pub fn read(archive: &[u8]) -> Result<Vec<(String, Item)>> {
    let items = unpack(archive)?;
    match items.iter().find(|(_, item)| matches!(item.content, Content::Link(_))) {
        Some((path, _)) => Err(cannot_unpack(path).cause("it is a symbolic link")),
        None => Ok(items),
    }
}

/// Like [`read`], but takes symbolic links too: for those who only look at them.
pub(super) fn unpack(archive: &[u8]) -> Result<Vec<(String, Item)>> {
    let mut items = Vec::new();
    let mut reader = tar::Archive::new(archive);
    for entry in reader.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        let name = raw.trim_end_matches('/');
        // «.» is the archive's own root.
        if kind.is_dir() && (name == "." || name.is_empty() && !raw.starts_with('/')) {
            continue;
        }
        let content = match kind {
            EntryType::Directory => Content::Folder,
            EntryType::Regular | EntryType::Continuous => {
                // Never more than the archive itself has: a header may claim anything.
                let claimed = usize::try_from(entry.size()).unwrap_or(usize::MAX).min(archive.len());
                let mut bytes = Zeroizing::new(Vec::with_capacity(claimed));
                entry.read_to_end(&mut bytes).map_err(broken)?;
                Content::File(bytes)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                Content::Link(String::from_utf8_lossy(&target).into_owned())
            }
            other => return Err(cannot_unpack(&raw).cause(unwanted(other))),
        };
        let path = safe_path(name).map_err(|why| cannot_unpack(&raw).cause(why))?;
        let mode = entry.header().mode().map_err(broken)? & 0o7777;
        items.push((path, Item { mode, content }));
    }
    Ok(items)
}

/// The files of a streamed archive, by path.
///
/// # Errors
/// When the stream fails or is larger than memory should hold, or when the archive cannot be [`read`].
pub async fn read_all(stream: ByteStream) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>> {
    let items = read(&collect(stream, MOST).await?)?;
    let files = items.into_iter().filter_map(|(path, item)| match item.content {
        Content::File(bytes) => Some((path, bytes)),
        Content::Folder | Content::Link(_) => None,
    });
    Ok(files.collect())
}

/// Everything of a streamed archive, by path, symbolic links too: for those who only look.
///
/// # Errors
/// As [`read_all`], except that links are no error.
pub async fn look(stream: ByteStream) -> Result<Vec<(String, Item)>> {
    unpack(&collect(stream, MOST).await?)
}

/// The one file of a streamed archive, as [`super::Engine::get_archive`] answers when it is asked for a file.
///
/// # Errors
/// As [`read_all`], and when the archive does not hold exactly one file.
pub async fn read_one(stream: ByteStream) -> Result<Zeroizing<Vec<u8>>> {
    let mut files = read_all(stream).await?.into_iter();
    match (files.next(), files.next()) {
        (Some((_, bytes)), None) => Ok(bytes),
        (None, _) => Err(Error::failed("cannot read the file").cause("the archive has no file in it")),
        (Some(_), Some(_)) => Err(Error::failed("cannot read the file").cause("the archive has several files in it")),
    }
}

async fn collect(mut stream: ByteStream, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
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
fn unwanted(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "it is a hard link",
        EntryType::Char | EntryType::Block => "it is a device",
        EntryType::Fifo => "it is a pipe",
        _ => "it is neither a file nor a folder",
    }
}

fn cannot_pack(path: &str) -> Error {
    Error::new(ErrorKind::Bug, format!("cannot pack `{path}`"))
}

fn cannot_unpack(path: &str) -> Error {
    Error::failed(format!("cannot unpack `{path}`"))
}

fn broken(error: std::io::Error) -> Error {
    Error::failed("cannot read the archive").cause(error)
}
