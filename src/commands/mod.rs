//! What every command gets, and nothing more: the engine, the screen, the interrupt, the environment.

pub mod addons;
pub mod apply;
pub mod certs;
pub mod config;
pub mod create;
pub mod dashboard;
pub mod delete;
pub mod doctor;
pub mod exec;
pub mod gc;
mod holder;
pub mod image;
pub mod kubeconfig;
pub mod kubectl;
pub mod lifecycle;
pub mod list;
pub mod load;
pub mod logs;
pub mod manifests;
pub mod node;
pub mod port;
pub mod repair;
pub mod reshape;
pub mod sample;
pub mod shell;
pub mod status;
pub mod tunnel;
pub mod up;
pub mod urls;
pub mod version;
mod whole;
pub mod why;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::OnceCell;

use crate::cli::args::{KubeconfigTarget, Output};
use crate::cli::outside::Outside;
use crate::cli::settings::Environment;
use crate::config::{self as cluster_config, CLUSTER_VARIABLE, DEFAULT_NAME, Loaded, Overrides, Source};
use crate::engine::{Engine, EngineInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::fs;
use crate::image::versions;
use crate::kubeconfig::{ContextChange, Entry, Options, Outcome, Paths, Store, context_name};
use crate::kubernetes::Access;
use crate::report::{Event, Reporter, Steps};
use crate::spec::values::ClusterName;

/// One run of the program.
pub struct Session<E> {
    /// What the process was given.
    pub environment: Environment,
    /// The form of results.
    pub output: Output,
    /// The screen.
    pub reporter: Arc<dyn Reporter>,
    /// What the run is connected to.
    pub outside: Outside<E>,
    /// The cluster that is being made: its name goes into the words after a second interrupt.
    pub making: OnceLock<String>,
    engine: OnceCell<Arc<E>>,
}

impl<E: Engine> Session<E> {
    /// A run with its connections.
    pub fn new(environment: Environment, output: Output, reporter: Arc<dyn Reporter>, outside: Outside<E>) -> Self {
        Self { environment, output, reporter, outside, making: OnceLock::new(), engine: OnceCell::new() }
    }

    /// Docker; connected at the first use.
    pub async fn engine(&self) -> Result<Arc<E>> {
        self.engine.get_or_try_init(|| async { self.connect().await.map(Arc::new) }).await.cloned()
    }

    async fn connect(&self) -> Result<E> {
        self.dial().await.map_err(|e| crate::doctor::advise(e, (self.outside.host)()))
    }

    /// Connects to Docker anew; the error is as Docker left it.
    pub async fn dial(&self) -> Result<E> {
        (self.outside.docker)(self.environment.docker.clone()).await
    }

    /// The cluster that is named: by what was typed, or else by the environment.
    ///
    /// # Errors
    /// What stands in the environment is no name.
    pub fn named_cluster(&self, typed: Option<&str>) -> Result<Option<String>> {
        let from_environment = || {
            let parse = |name: &String| {
                ClusterName::parse(name).map_err(|e| {
                    Error::new(ErrorKind::Usage, format!("{CLUSTER_VARIABLE}: {e}"))
                        .hint(format!("set it to a name that `knarr get clusters` lists, or unset {CLUSTER_VARIABLE}"))
                })
            };
            self.environment.cluster.as_ref().map(parse).transpose()
        };
        match typed {
            Some(name) => Ok(Some(name.to_owned())),
            None => Ok(from_environment()?.map(|name| name.to_string())),
        }
    }

    /// The cluster that is meant: the one that is named, or else the one that has the name of most.
    ///
    /// # Errors
    /// What stands in the environment is no name.
    pub fn cluster(&self, typed: Option<&str>) -> Result<String> {
        Ok(self.named_cluster(typed)?.unwrap_or_else(|| DEFAULT_NAME.to_owned()))
    }

    /// Reads a config for `verb` with this program's image, this machine's folders and the environment's cluster.
    ///
    /// # Errors
    /// As [`cluster_config::load`].
    pub fn load_config(&self, verb: &str, source: &Source, overrides: &Overrides) -> Result<Loaded> {
        let current_dir = fs::current_dir()?;
        cluster_config::load(
            source,
            overrides,
            &cluster_config::Surroundings {
                verb,
                default_name: self.environment.cluster.as_deref(),
                default_image: &versions::default_reference(),
                current_dir: &current_dir,
                exists: &|path| fs::facts(path).is_ok_and(|facts| facts.is_some()),
            },
        )
    }

    /// The whole of standard input, as text.
    pub async fn read_stdin(&self) -> Result<String> {
        let mut text = String::new();
        (self.outside.stdin)()
            .read_to_string(&mut text)
            .await
            .map_err(|e| Error::failed("cannot read standard input").source(&e))?;
        Ok(text)
    }

    /// Asks a person, who answers `y` or `yes` to go on.
    ///
    /// # Errors
    /// Nobody can be asked, or a signal came instead of an answer.
    pub async fn confirm(&self, question: &str) -> Result<bool> {
        if !self.environment.stdin_terminal {
            return Err(Error::new(ErrorKind::Usage, "nobody can be asked whether to go on: stdin is no terminal"));
        }
        self.outside.complain(format!("{question} [y/N] ").as_bytes());
        let mut answer = String::new();
        let mut lines = BufReader::new((self.outside.stdin)());
        let asking = async {
            let read = lines.read_line(&mut answer).await;
            read.map_err(|e| Error::failed("cannot read the answer").source(&e))
        };
        self.unless_interrupted("stopped instead of an answer", asking).await?;
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }

    /// Does work that may be dropped at any moment, and drops it at the first interrupt; `headline` says what ended.
    pub async fn unless_interrupted<T>(&self, headline: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.outside.interrupt.token().cancelled() => Err(Error::new(ErrorKind::Interrupted, headline)),
        }
    }

    /// Steps on the screen.
    pub fn steps(&self) -> Steps {
        Steps::new(Arc::clone(&self.reporter))
    }

    /// A sentence on the screen.
    pub fn note(&self, text: impl Into<String>) {
        self.reporter.event(Event::Note(text.into()));
    }

    /// A warning on the screen.
    pub fn warn(&self, text: impl Into<String>) {
        self.reporter.event(Event::Warning(text.into()));
    }

    /// Whether results are JSON.
    pub fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// Prints bytes on stdout as they are. A reader that went away ends the program quietly.
    pub fn print_bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut out = (self.outside.stdout)();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::reader_gone()),
            Err(e) => Err(Error::failed("cannot write to stdout").source(&e)),
        }
    }

    /// Prints a text on stdout, with a newline at its end.
    pub fn print(&self, text: &str) -> Result<()> {
        self.print_bytes(format!("{}\n", text.trim_end()).as_bytes())
    }

    /// Prints a value on stdout as JSON.
    pub fn print_json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::new(ErrorKind::Bug, "cannot print the result as JSON").source(&e))?;
        self.print(&text)
    }

    /// The kubeconfig files to work on; `None` when none is wanted.
    pub fn kubeconfig(&self, target: &KubeconfigTarget) -> Result<Option<Store>> {
        if target.no_kubeconfig {
            return Ok(None);
        }
        self.kubeconfig_store(target.kubeconfig.as_deref(), target.break_lock)
    }

    /// The kubeconfig files to work on: `flag` alone, or those that the environment names.
    pub fn kubeconfig_store(&self, flag: Option<&Path>, break_lock: bool) -> Result<Option<Store>> {
        let env = &self.environment;
        let paths = Paths::choose(flag, env.kubeconfig.as_deref().map(AsRef::as_ref), env.home.as_deref())?;
        Ok(paths.map(|paths| {
            let options =
                Options { state_dir: env.cache_dir.clone(), owner: env.sudo_owner, break_lock, ..Options::default() };
            Store::new(paths, options)
        }))
    }

    /// Writes a cluster's kubeconfig entry and says what became of the current context.
    pub async fn remember_context(&self, store: &Store, entry: Entry, switch: bool) -> Result<Outcome> {
        let (store, interrupt) = (store.clone(), self.outside.interrupt.clone());
        let what = format!("kubeconfig: write context `{}`", context_name(&entry.cluster));
        self.reporter.event(Event::Detail(format!("{what}: begun")));
        let outcome = blocking(move || store.merge(&entry, switch, &|| interrupt.is_interrupted())).await?;
        self.reporter.event(Event::Detail(format!("{what}: done")));
        self.tell(&outcome);
        Ok(outcome)
    }

    /// Removes a cluster's kubeconfig entries, or only those of one run, and says what became of the current context.
    pub async fn forget_context(&self, store: Option<&Store>, cluster: &str, create_id: Option<&str>) -> Result<()> {
        let Some(store) = store.cloned() else { return Ok(()) };
        let (cluster, create_id) = (cluster.to_owned(), create_id.map(str::to_owned));
        let interrupt = self.outside.interrupt.clone();
        let removing = move || store.remove(&cluster, create_id.as_deref(), &|| interrupt.is_interrupted());
        let outcome = blocking(removing).await?;
        self.tell(&outcome);
        Ok(())
    }

    fn tell(&self, outcome: &Outcome) {
        for note in &outcome.notes {
            self.warn(note);
        }
        match &outcome.context {
            ContextChange::Unchanged | ContextChange::Switched { from: None } => {}
            ContextChange::Switched { from: Some(from) } => {
                self.note(format!("kubectl's current context was `{from}`; it comes back when the cluster is deleted"));
            }
            ContextChange::Restored { to } => self.note(format!("kubectl's current context is `{to}` again")),
            ContextChange::Cleared => self.note("kubectl has no current context now"),
        }
    }
}

/// The kubeconfig entry for a cluster of this Docker that is reached through `access`.
pub fn entry(cluster: &str, create_id: &str, docker: &EngineInfo, access: &Access) -> Entry {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Entry {
        cluster: cluster.to_owned(),
        create_id: create_id.to_owned(),
        docker: docker.id.clone(),
        server: access.url.clone(),
        ca_pem: text(&access.ca),
        client_cert_pem: text(&access.cert),
        client_key_pem: zeroize::Zeroizing::new(text(&access.key)),
    }
}

/// Runs something that blocks without holding up anything else.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::new(ErrorKind::Bug, "a blocking task broke off").source(&e))?
}

/// All problems at once: the first in full, every other one as what else went wrong.
pub fn together(failures: impl IntoIterator<Item = Error>) -> Result<()> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    Err(failures.fold(first, |error, other| {
        let facts: Vec<String> = std::iter::once(other.message).chain(other.causes).collect();
        error.cause(facts.join(": "))
    }))
}

/// Columns padded to their widest cell, two blanks apart, without trailing blanks.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let rows = vec![vec!["NAME".into(), "ROLE".into()], vec!["a".into(), "worker".into()]];
        assert_eq!(table(&rows), "NAME  ROLE\na     worker");
    }
}
