//! Kubeconfig files on disk: lock, read, change, and put back whole or not at all.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::fs::{self, Owner};

use super::document::{Changed, Document};
use super::file::{Loaded, check_writable, load, mentions, obstructed, restless};
use super::lock::{self, Locks};
use super::paths::Paths;
use super::{Entry, Marked, context_name};

/// How often a change is made again after somebody who takes no locks has written in between.
const ATTEMPTS: usize = 5;

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where knarr keeps its own locks, and a safety copy where none can be made beside the file.
    pub state_dir: Option<PathBuf>,
    /// Who shall own new files and folders, under sudo.
    pub owner: Option<Owner>,
    /// Whether to break locks older than a minute.
    pub break_lock: bool,
    /// How long to wait for a lock.
    pub lock_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { state_dir: None, owner: None, break_lock: false, lock_wait: Duration::from_secs(10) }
    }
}

/// What became of the context in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextChange {
    /// It is what it was.
    Unchanged,
    /// The cluster's context is in use now.
    Switched {
        /// The one before.
        from: Option<String>,
    },
    /// An earlier one is in use again, because the cluster's is gone.
    Restored {
        /// That one.
        to: String,
    },
    /// None is in use any more.
    Cleared,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The files that were written; empty if everything was as it should be.
    pub written: Vec<PathBuf>,
    /// What became of the context in use.
    pub context: ContextChange,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// A cluster's entry and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// The entry.
    pub entry: Entry,
    /// Whether its context is in use.
    pub is_current: bool,
}

/// The user's kubeconfig. All methods block; call them from `spawn_blocking`.
#[derive(Clone, Debug)]
pub struct Store {
    paths: Paths,
    options: Options,
}

impl Store {
    /// A store over these files.
    pub fn new(paths: Paths, options: Options) -> Self {
        Self { paths, options }
    }

    /// The files.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Finds out, before anything is created, whether a new cluster's entry can be written. Returns warnings.
    ///
    /// # Errors
    ///
    /// If a file of the list cannot be used, has a foreign item of the cluster's name, or cannot be written.
    pub fn preflight(&self, cluster: &str) -> Result<Vec<String>> {
        let target = self.paths.target();
        for path in self.paths.list() {
            load(path)?.document.check(cluster).map_err(|o| obstructed(path, cluster, o))?;
        }
        let resolved = fs::resolve_links(target)?;
        check_writable(target, &resolved)?;
        let locks = [lock::lock_path(target), lock::lock_path(&resolved)];
        let stale = locks.iter().find(|l| !self.options.break_lock && lock::stale_for(l).is_some());
        let warning = |lock: &PathBuf| {
            format!("`{}` looks abandoned; if it is, run the command with `--break-lock`", lock.display())
        };
        Ok(stale.map(warning).into_iter().collect())
    }

    /// Writes a cluster's entry, or brings it up to date; `switch` makes it current. Writes nothing if nothing changes.
    ///
    /// # Errors
    ///
    /// As [`Store::preflight`], and if a lock stays taken or `cancelled` says so. The file is then as it was.
    pub fn merge(&self, entry: &Entry, switch: bool, cancelled: &dyn Fn() -> bool) -> Result<Outcome> {
        if cancelled() {
            return Err(lock::interrupted());
        }
        let target = self.paths.target();
        let resolved = fs::resolve_links(target)?;
        check_writable(target, &resolved)?;
        fs::create_dir_all(fs::folder_of(&resolved), 0o700, self.options.owner)?;
        let mut locks = self.lock(cancelled)?;
        let mut outcome = Outcome::nothing(&mut locks);
        for _ in 0..ATTEMPTS {
            let loaded = load(target)?;
            // A defect in another file need not keep us from this one; preflight has looked at it.
            let others: Vec<Loaded> = self.paths.list().iter().filter_map(|p| load(p).ok()).collect();
            for other in &others {
                other.document.check(&entry.cluster).map_err(|o| obstructed(&other.path, &entry.cluster, o))?;
            }
            let before = effective(others.iter().map(|l| &l.document));
            let changed = loaded.document.merge(entry, switch).map_err(|o| obstructed(target, &entry.cluster, o))?;
            if let Some(changed) = &changed
                && !self.put(&loaded, changed, &mut outcome)?
            {
                continue;
            }
            if changed.is_some() && switch && before.as_ref() != Some(&context_name(&entry.cluster)) {
                outcome.context = ContextChange::Switched { from: before };
            }
            outcome.notes.extend(loaded.warn_if_shared()?);
            return Ok(outcome);
        }
        Err(restless(target))
    }

    /// Takes a cluster out of every file; with `create_id`, only what that run wrote. If it was current, the context
    /// before it is current again, if that still exists. Nothing to do is success. Half a deletion helps nobody: what was
    /// cancelled goes on unless it would have to wait for a lock.
    ///
    /// # Errors
    ///
    /// If a file that mentions the cluster cannot be read or written; all others are done first.
    pub fn remove(&self, cluster: &str, create_id: Option<&str>, cancelled: &dyn Fn() -> bool) -> Result<Outcome> {
        let mut locks = self.lock(cancelled)?;
        let mut outcome = Outcome::nothing(&mut locks);
        let mut before = None;
        for _ in 0..ATTEMPTS {
            let (files, mut trouble) = self.load_for_removal(cluster, &mut outcome);
            let before = before.get_or_insert_with(|| effective(files.iter().map(|l| &l.document)));
            let changes = plan_removal(&files, cluster, create_id)?;
            let mut all_done = true;
            for (loaded, changed) in files.iter().zip(&changes) {
                let Some(changed) = changed else { continue };
                match self.put(loaded, changed, &mut outcome) {
                    Ok(done) => all_done &= done,
                    Err(error) => trouble = trouble.or(Some(error)),
                }
            }
            if let Some(error) = trouble {
                return Err(error);
            }
            if all_done {
                let after = effective(files.iter().zip(&changes).map(|(l, c)| newest(l, c.as_ref())));
                outcome.context = match after {
                    after if after == *before => ContextChange::Unchanged,
                    Some(to) => ContextChange::Restored { to },
                    None => ContextChange::Cleared,
                };
                return Ok(outcome);
            }
        }
        Err(restless(self.paths.target()))
    }

    /// A cluster's entry from the first file that has it.
    ///
    /// # Errors
    ///
    /// If a file of the list cannot be used.
    pub fn find(&self, cluster: &str) -> Result<Option<Found>> {
        let all = self.paths.list().iter().map(|p| load(p)).collect::<Result<Vec<_>>>()?;
        let is_current = effective(all.iter().map(|l| &l.document)) == Some(context_name(cluster));
        let found = all.into_iter().find_map(|l| Some((l.document.entry(cluster)?, l.path)));
        Ok(found.map(|(entry, path)| Found { path, entry, is_current }))
    }

    /// Whose items stand in the files, file by file.
    ///
    /// # Errors
    ///
    /// If a file of the list cannot be used.
    pub fn marked(&self) -> Result<Vec<Marked>> {
        let mut all = Vec::new();
        for path in self.paths.list() {
            let marks = load(path)?.document.marks();
            all.extend(marks.into_iter().map(|mark| Marked {
                path: path.clone(),
                cluster: mark.cluster,
                create_id: mark.create_id,
                docker: mark.docker,
            }));
        }
        Ok(all)
    }

    fn lock(&self, cancelled: &dyn Fn() -> bool) -> Result<Locks> {
        let pair = |path: &PathBuf| Ok((path.clone(), fs::resolve_links(path)?));
        let files = self.paths.list().iter().map(pair).collect::<Result<Vec<_>>>()?;
        let locks = lock::acquire(&files, &self.options, cancelled)?;
        for (_, resolved) in &files {
            // Left-overs of killed processes hold credentials, but not being able to list a folder is no reason to stop.
            let _ = fs::sweep_temporaries(resolved);
        }
        Ok(locks)
    }

    fn put(&self, loaded: &Loaded, changed: &Changed, outcome: &mut Outcome) -> Result<bool> {
        if !loaded.put(&changed.document, &self.options, &mut outcome.notes)? {
            return Ok(false);
        }
        if changed.rewritten {
            let path = loaded.path.display();
            outcome
                .notes
                .push(format!("`{path}` was laid out anew: its layout is one that knarr cannot edit in place"));
        }
        if !outcome.written.contains(&loaded.path) {
            outcome.written.push(loaded.path.clone());
        }
        Ok(true)
    }

    /// Reads each file once. One that cannot be used is trouble only if it may hold something of the cluster.
    fn load_for_removal(&self, cluster: &str, outcome: &mut Outcome) -> (Vec<Loaded>, Option<Error>) {
        let mut files: Vec<Loaded> = Vec::new();
        let mut trouble = None;
        for path in self.paths.list() {
            match load(path) {
                Ok(loaded) if files.iter().any(|f| f.resolved == loaded.resolved) => {}
                Ok(loaded) => files.push(loaded),
                Err(error) if mentions(path, cluster) => trouble = trouble.or(Some(error)),
                Err(error) => {
                    let note = format!("{}: {}; it has nothing of `{cluster}`", error.message, error.causes.join(": "));
                    if !outcome.notes.contains(&note) {
                        outcome.notes.push(note);
                    }
                }
            }
        }
        (files, trouble)
    }
}

impl Outcome {
    fn nothing(locks: &mut Locks) -> Self {
        Self { written: Vec::new(), context: ContextChange::Unchanged, notes: std::mem::take(&mut locks.notes) }
    }
}

/// The context in use: the first file that sets one decides.
fn effective<'a>(documents: impl Iterator<Item = &'a Document>) -> Option<String> {
    documents.into_iter().find_map(Document::current_context).map(str::to_owned)
}

fn newest<'a>(loaded: &'a Loaded, changed: Option<&'a Changed>) -> &'a Document {
    changed.map_or(&loaded.document, |c| &c.document)
}

/// What to do to each file so that the cluster is gone from all of them.
fn plan_removal(files: &[Loaded], cluster: &str, create_id: Option<&str>) -> Result<Vec<Option<Changed>>> {
    let remove_all = |successor: Option<&str>| -> Result<Vec<Option<Changed>>> {
        let remove =
            |l: &Loaded| l.document.remove(cluster, create_id, successor).map_err(|o| obstructed(&l.path, cluster, o));
        files.iter().map(remove).collect()
    };
    let changes = remove_all(None)?;
    let remains = |name: &str| files.iter().zip(&changes).any(|(l, c)| newest(l, c.as_ref()).has_context(name));
    if remains(&context_name(cluster)) {
        return Ok(changes);
    }
    let previous = files.iter().flat_map(|l| l.document.previous_contexts(cluster)).find(|name| remains(name));
    remove_all(Some(&previous.unwrap_or_default()))
}
