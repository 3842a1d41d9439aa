//! Locks on kubeconfig files: the `<file>.lock` that kubectl makes, and one of our own so that knarr's processes queue.
//!
//! A `.lock` outlives a process that is killed, our own lock does not. So the first says which of the second its maker
//! held: whoever holds that one now knows that the maker is gone, and need not ask for `--break-lock`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::fs;

use super::store::Options;

/// Younger locks belong to somebody who is still at work; no question about it.
const STALE: Duration = Duration::from_secs(60);
/// Our own locks end with their process, so waiting longer for them is safe.
const WAIT_OWN: Duration = Duration::from_secs(30);

/// The end of the name of our own lock, and of the one that is held while waiting for it.
const OWN: &str = ".flock";
const QUEUE: &str = ".queue";
/// More than any lock of ours is long.
const TOKEN_BYTES: u64 = 256;

/// Locks held until dropped.
pub(super) struct Locks {
    // Released before our own, in reverse order of taking; each with what stands in it.
    made: Vec<(PathBuf, String)>,
    own: Vec<File>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Drop for Locks {
    fn drop(&mut self) {
        for (lock, token) in self.made.drain(..).rev() {
            // Somebody may have broken ours and made their own; that one stays.
            if content(&lock).as_deref() == Some(token.as_str()) {
                let _ = fs::remove_file(&lock);
            }
        }
        self.own.clear();
    }
}

/// The lock that kubectl would make for a file.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// A file for `path` in the state folder; the name tells nothing but is always the same.
pub(super) fn state_file(state: &Path, path: &Path, suffix: &str) -> PathBuf {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let mut name = "kubeconfig-".to_owned();
    for byte in &digest[..8] {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    state.join(name + suffix)
}

/// How long a stale-looking lock has been there, if there is one.
pub(super) fn stale_for(lock: &Path) -> Option<Duration> {
    age(lock).filter(|age| *age > STALE)
}

/// Locks every file under the name given and under the one its links lead to, but those in folders where nothing can be
/// created.
pub(super) fn acquire(files: &[(PathBuf, PathBuf)], options: &Options, cancelled: &dyn Fn() -> bool) -> Result<Locks> {
    let mut own: Vec<&Path> = files.iter().map(|(_, resolved)| resolved.as_path()).collect();
    own.sort_unstable();
    own.dedup();
    // Every name that is locked, and the file it leads to.
    let names: BTreeMap<&PathBuf, &Path> = files
        .iter()
        .flat_map(|(named, resolved)| [(named, resolved.as_path()), (resolved, resolved.as_path())])
        .collect();

    let mut locks = Locks { made: Vec::new(), own: Vec::new(), notes: Vec::new() };
    let mut marks: BTreeMap<&Path, String> = BTreeMap::new();
    if let Some(state) = &options.state_dir {
        for path in own {
            // Only a courtesy among our own: a state folder that cannot be used must not keep anybody from working.
            if let (Ok(queue), Ok(file)) = (open_own(state, path, QUEUE, options), open_own(state, path, OWN, options))
            {
                // Whoever is first in the queue waits for the lock alone: a process that releases it and wants it again
                // at once cannot be faster than all those who wait, time after time.
                wait_for(WAIT_OWN, cancelled, || try_lock(&queue), || own_busy(path))?;
                wait_for(WAIT_OWN, cancelled, || try_lock(&file), || own_busy(path))?;
                drop(queue);
                // Without a mark, a lock that a killed knarr left is broken only when the user says so.
                marks.extend(mark(&file).ok().map(|mark| (path, mark)));
                locks.own.push(file);
            }
        }
    }
    for (path, resolved) in names {
        let folder = fs::folder_of(path);
        // Such a file can at most be written in place, which its writer says.
        if fs::facts(folder)?.is_none() || !fs::may_write(folder) {
            continue;
        }
        let (lock, mark) = (lock_path(path), marks.get(resolved));
        let token = token(mark);
        let make = || {
            if let Some(maker) = mark.and_then(|mark| gone_maker(&lock, mark))
                && fs::remove_file(&lock)?
            {
                locks
                    .notes
                    .push(format!("removed the lock `{}` of knarr, process {maker}, which is gone", lock.display()));
            } else if options.break_lock
                && let Some(age) = stale_for(&lock)
                && fs::remove_file(&lock)?
            {
                locks.notes.push(format!("broke the lock `{}`, {} old", lock.display(), words(age)));
            }
            fs::create_new(&lock, token.as_bytes(), 0o600)
        };
        wait_for(options.lock_wait, cancelled, make, || busy(path, &lock))?;
        locks.made.push((lock, token));
    }
    Ok(locks)
}

/// What stands in a lock of ours: the process, something random, so that a process id used again is no proof of
/// ownership, and the mark of our own lock on the file.
fn token(mark: Option<&String>) -> String {
    let mark = mark.map_or("", String::as_str);
    format!("knarr pid {} {:016x} {mark}\n", std::process::id(), rand::random::<u64>())
}

/// The process that made a lock and then ended without removing it. `mark` is that of our own lock, which is held: no
/// process that holds it can be alive beside this one.
fn gone_maker(lock: &Path, mark: &str) -> Option<u32> {
    let (pid, rest) = maker(&content(lock)?)?;
    (rest.split(' ').nth(1)? == mark).then_some(pid)
}

/// The process id in a lock of ours, and what stands behind it.
fn maker(content: &str) -> Option<(u32, String)> {
    let (pid, rest) = content.strip_prefix("knarr pid ")?.split_once(' ')?;
    Some((pid.parse().ok()?, rest.trim_end().to_owned()))
}

fn content(lock: &Path) -> Option<String> {
    String::from_utf8(fs::read_if_exists(lock, TOKEN_BYTES).ok()??).ok()
}

/// What tells our own lock, which is held, from that of every other state folder: something random that stands in it,
/// and its number on this machine, since folders are copied together with what is in them.
fn mark(mut file: &File) -> std::io::Result<String> {
    let mut random = String::new();
    file.read_to_string(&mut random)?;
    if random.len() != 16 {
        random = format!("{:016x}", rand::random::<u64>());
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(random.as_bytes())?;
    }
    let (device, inode) = fs::number(file)?;
    Ok(format!("{random}-{device:x}-{inode:x}"))
}

fn open_own(state: &Path, path: &Path, suffix: &str, options: &Options) -> Result<File> {
    fs::create_dir_all(state, 0o700, options.owner)?;
    fs::open_to_lock(&state_file(state, path, suffix), options.owner)
}

fn try_lock(file: &File) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::failed("cannot lock the kubeconfig").source(&e)),
    }
}

fn wait_for(
    patience: Duration,
    cancelled: &dyn Fn() -> bool,
    mut attempt: impl FnMut() -> Result<bool>,
    busy: impl FnOnce() -> Error,
) -> Result<()> {
    let start = Instant::now();
    loop {
        if attempt()? {
            return Ok(());
        }
        if cancelled() {
            return Err(interrupted());
        }
        if start.elapsed() >= patience {
            return Err(busy());
        }
        // Uneven steps, so that processes which started together do not stay together.
        std::thread::sleep(Duration::from_millis(rand::random_range(10..=100)));
    }
}

/// The user has enough of it.
pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "stopped while waiting to write the kubeconfig")
}

fn busy(path: &Path, lock: &Path) -> Error {
    let holder = content(lock)
        .and_then(|content| maker(&content))
        .map_or_else(|| "kubectl or another program".to_owned(), |(pid, _)| format!("knarr, process {pid}"));
    let age = age(lock).unwrap_or_default();
    let error = Error::new(ErrorKind::Environment, format!("kubeconfig `{}` is locked", path.display()))
        .cause(format!("`{}` is there since {}, made by {holder}", lock.display(), words(age)));
    if age > STALE {
        error.hint("if its maker is gone, run the command again with `--break-lock`")
    } else {
        error.hint("run the command again when the other program is done")
    }
}

fn own_busy(path: &Path) -> Error {
    Error::new(ErrorKind::Environment, format!("kubeconfig `{}` is in use", path.display()))
        .cause(format!("other knarr processes have been writing it for {}", words(WAIT_OWN)))
        .hint("run the command again when they are done")
}

fn age(lock: &Path) -> Option<Duration> {
    let modified = fs::facts(lock).ok()??.modified?;
    Some(SystemTime::now().duration_since(modified).unwrap_or_default())
}

fn words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}
