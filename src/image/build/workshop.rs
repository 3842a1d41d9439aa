//! Containers of a build: opened under the run's name and label, scripts run in them, all gone at the end.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::engine::{ContainerInfo, ContainerSpec, Engine, ExecOutput, ExecSpec, Labels, MountSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::image::BUILD_LABEL;
use crate::report::{Step, Steps};

/// What the names of all containers of builds begin with.
pub(super) const PREFIX: &str = "knarr-build-";
/// After this many seconds a container ends by itself, should `knarr` be killed and nobody come back.
const LIFETIME: u32 = 3 * 3600;
/// How many lines of a script are kept for its failure.
const KEPT: usize = 400;
/// How often a script's output moves the screen.
const EVERY: Duration = Duration::from_millis(300);

/// Where a build works.
pub struct Workshop<'a, E> {
    engine: &'a E,
    steps: &'a Steps,
    cancel: &'a CancellationToken,
    /// This run.
    pub run: String,
    host_network: bool,
    /// What was asked for and not yet removed.
    open: Mutex<BTreeSet<String>>,
}

/// A script that ended badly: its last words.
#[derive(Debug)]
pub enum Failed {
    /// It ended with this status, having printed this.
    Script(i64, Vec<String>),
    /// It could not be run, or was interrupted.
    Other(Error),
}

impl<'a, E: Engine> Workshop<'a, E> {
    /// A workshop of its own; `host_network` where a container's own has no way out.
    pub fn new(engine: &'a E, steps: &'a Steps, cancel: &'a CancellationToken, host_network: bool) -> Self {
        let run = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        Self { engine, steps, cancel, run, host_network, open: Mutex::default() }
    }

    /// The engine.
    pub fn engine(&self) -> &'a E {
        self.engine
    }

    /// What the user sees.
    pub fn steps(&self) -> &'a Steps {
        self.steps
    }

    /// Makes and starts a container in which scripts can be run; returns its name.
    pub async fn open(
        &self,
        purpose: &str,
        image: &str,
        platform: Option<String>,
        mounts: Vec<MountSpec>,
    ) -> Result<String> {
        let spec = ContainerSpec {
            entrypoint: Some(vec!["sleep".to_owned()]),
            command: Some(vec![LIFETIME.to_string()]),
            mounts,
            host_network: self.host_network,
            platform,
            ..self.spec(purpose, image)
        };
        self.create(&spec).await?;
        self.engine.start_container(&spec.name).await?;
        Ok(spec.name)
    }

    /// Makes a container that only holds files and is never started; returns its name.
    pub async fn hold(&self, purpose: &str, image: &str, entrypoint: &[String]) -> Result<String> {
        let spec = ContainerSpec { entrypoint: Some(entrypoint.to_vec()), ..self.spec(purpose, image) };
        self.create(&spec).await?;
        Ok(spec.name)
    }

    fn spec(&self, purpose: &str, image: &str) -> ContainerSpec {
        ContainerSpec {
            name: format!("{PREFIX}{}-{purpose}", self.run),
            image: image.to_owned(),
            labels: Labels::from([(BUILD_LABEL.to_owned(), self.run.clone())]),
            ..ContainerSpec::default()
        }
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<()> {
        self.go_on()?;
        // Before it is there: the call may succeed although its answer is lost.
        self.opened().insert(spec.name.clone());
        self.engine.create_container(spec).await?;
        Ok(())
    }

    fn opened(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a container.
    pub async fn close(&self, container: &str) -> Result<()> {
        self.engine.remove_container(container).await?;
        self.opened().remove(container);
        Ok(())
    }

    /// Removes every container of this run, and those of runs that cannot go on any more.
    ///
    /// # Errors
    /// When a container of this run is left.
    pub async fn close_all(&self) -> Result<()> {
        let ours: Vec<String> = self.opened().iter().cloned().collect();
        let mut failure = None;
        for container in ours {
            failure = self.close(&container).await.err().or(failure);
        }
        match self.engine.list_containers(BUILD_LABEL).await {
            Ok(all) => self.remove_old(all).await,
            Err(e) => self.steps.detail(e.to_string()),
        }
        failure.map_or(Ok(()), Err)
    }

    async fn remove_old(&self, containers: Vec<ContainerInfo>) {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        for container in containers {
            // Nodes inherit the label from their image, but not this name.
            let old = container.name.starts_with(PREFIX) && now - container.created > i64::from(LIFETIME);
            if old && let Err(e) = self.engine.remove_container(&container.name).await {
                self.steps.detail(e.to_string());
            }
        }
    }

    /// An error if the user has interrupted.
    pub fn go_on(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(interrupted()) } else { Ok(()) }
    }

    /// Waits for something that may be dropped at any time, but not longer than until the user interrupts.
    pub async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = work => result,
            () = self.cancel.cancelled() => Err(interrupted()),
        }
    }

    /// Runs a script in a container that is open. What it prints moves the step; all of it is seen with `-v`.
    pub async fn script(&self, container: &str, env: &[String], script: &str, step: &Step) -> Result<(), Failed> {
        let mut exec = ExecSpec::new(["sh", "-euc", script]);
        exec.env = env.to_vec();
        let run = async {
            let mut attached = self.engine.exec_attached(container, &exec).await?;
            drop(attached.input);
            let mut lines = Lines::default();
            while let Some(piece) = attached.output.next().await {
                let (ExecOutput::Stdout(bytes) | ExecOutput::Stderr(bytes)) = piece?;
                lines.hear(&bytes, &mut |line| self.steps.detail(line), &mut |line| step.progress(line));
            }
            let status = self.engine.exec_status(&attached.id).await?;
            Ok((status, lines.finish()))
        };
        match self.unless_interrupted(run).await {
            Ok((0, _)) => Ok(()),
            Ok((status, lines)) => Err(Failed::Script(status, lines)),
            Err(e) => Err(Failed::Other(e)),
        }
    }

    /// Runs a short script and returns what it printed on stdout.
    pub async fn ask(&self, container: &str, script: &str) -> Result<String> {
        let exec = ExecSpec::new(["sh", "-euc", script]);
        let outcome = self.unless_interrupted(async { Ok(self.engine.exec(container, &exec).await?) }).await?;
        if outcome.status != 0 {
            let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
            return Err(Error::failed("a script of the build failed").evidence(stderr.lines()));
        }
        Ok(String::from_utf8_lossy(&outcome.stdout).into_owned())
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "stopped building the node image")
}

/// Puts lines together and keeps the last ones.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
    kept: VecDeque<String>,
    shown: Option<Instant>,
}

impl Lines {
    fn hear(&mut self, bytes: &[u8], every: &mut dyn FnMut(&str), now_and_then: &mut dyn FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.open.extend_from_slice(part);
            if !part.ends_with(b"\n") && !part.ends_with(b"\r") {
                continue;
            }
            let line = String::from_utf8_lossy(&self.open).trim().to_owned();
            self.open.clear();
            if line.is_empty() {
                continue;
            }
            every(&line);
            if self.shown.is_none_or(|at| at.elapsed() >= EVERY) {
                now_and_then(&line);
                self.shown = Some(Instant::now());
            }
            self.keep(line);
        }
    }

    fn keep(&mut self, line: String) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }

    fn finish(mut self) -> Vec<String> {
        let rest = String::from_utf8_lossy(&self.open).trim().to_owned();
        if !rest.is_empty() {
            self.keep(rest);
        }
        self.kept.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_together_and_the_screen_is_spared() {
        let (mut all, mut shown) = (Vec::new(), 0);
        let mut lines = Lines::default();
        for piece in ["one\ntw", "o\r\n\n", "three"] {
            lines.hear(piece.as_bytes(), &mut |line| all.push(line.to_owned()), &mut |_| shown += 1);
        }
        assert_eq!(all, ["one", "two"]);
        assert_eq!(shown, 1);
        assert_eq!(lines.finish(), ["one", "two", "three"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut lines = Lines::default();
        for number in 0..=KEPT {
            lines.keep(number.to_string());
        }
        let kept = lines.finish();
        assert_eq!((kept.len(), kept[0].as_str()), (KEPT, "1"));
    }
}
