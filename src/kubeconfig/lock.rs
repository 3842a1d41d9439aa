//! Locks on kubeconfig files: the `<file>.lock` that kubectl makes, and one of our own so that knarr's processes queue.

use std::fmt::Write as _;
use std::fs::File;
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

/// Locks held until dropped.
pub(super) struct Locks {
    // Released before the flocks, in reverse order of taking.
    made: Vec<PathBuf>,
    own: Vec<File>,
    token: String,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Drop for Locks {
    fn drop(&mut self) {
        for lock in self.made.drain(..).rev() {
            // Somebody may have broken ours and made their own; that one stays.
            let is_ours = fs::read_if_exists(&lock, 256).is_ok_and(|c| c.is_some_and(|c| c == self.token.as_bytes()));
            if is_ours {
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
    let mut paths: Vec<&PathBuf> = files.iter().flat_map(|(named, resolved)| [named, resolved]).collect();
    paths.sort_unstable();
    paths.dedup();

    // A random part, so that a process id used again is no proof of ownership.
    let token = format!("knarr pid {} {:016x}\n", std::process::id(), rand::random::<u64>());
    let mut locks = Locks { made: Vec::new(), own: Vec::new(), token, notes: Vec::new() };
    if let Some(state) = &options.state_dir {
        for path in own {
            // Only a courtesy among our own: a state folder that cannot be used must not keep anybody from working.
            if let Ok(file) = open_own(state, path, options) {
                wait_for(WAIT_OWN, cancelled, || try_lock(&file), || own_busy(path))?;
                locks.own.push(file);
            }
        }
    }
    for path in paths {
        let folder = fs::folder_of(path);
        // Such a file can at most be written in place, which its writer says.
        if fs::facts(folder)?.is_none() || !fs::may_write(folder) {
            continue;
        }
        let lock = lock_path(path);
        let make = || {
            if options.break_lock
                && let Some(age) = stale_for(&lock)
                && fs::remove_file(&lock)?
            {
                locks.notes.push(format!("broke the lock `{}`, {} old", lock.display(), words(age)));
            }
            fs::create_new(&lock, locks.token.as_bytes(), 0o600)
        };
        wait_for(options.lock_wait, cancelled, make, || busy(path, &lock))?;
        locks.made.push(lock);
    }
    Ok(locks)
}

fn open_own(state: &Path, path: &Path, options: &Options) -> Result<File> {
    fs::create_dir_all(state, 0o700, options.owner)?;
    fs::open_to_lock(&state_file(state, path, ".flock"), options.owner)
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
        if cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped while waiting to write the kubeconfig"));
        }
        if attempt()? {
            return Ok(());
        }
        if start.elapsed() >= patience {
            return Err(busy());
        }
        // Uneven steps, so that processes which started together do not stay together.
        std::thread::sleep(Duration::from_millis(rand::random_range(10..=100)));
    }
}

fn busy(path: &Path, lock: &Path) -> Error {
    let content = fs::read_if_exists(lock, 256).ok().flatten().unwrap_or_default();
    let holder = String::from_utf8(content)
        .ok()
        .and_then(|c| c.strip_prefix("knarr pid ")?.split(' ').next()?.parse::<u32>().ok())
        .map_or_else(|| "kubectl or another program".to_owned(), |pid| format!("knarr, process {pid}"));
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
