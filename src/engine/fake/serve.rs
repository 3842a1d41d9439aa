//! The engine's methods: each call is written down, may go wrong, and is carried out in the world.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::task::yield_now;

use super::flock::{flock, is_flock};
use super::world::{Answer, World, carries, refuse};
use super::{Call, FakeEngine, How, Outcome};
use crate::engine::{
    AttachedExec, ByteStream, CommitSpec, ContainerInfo, ContainerSpec, Engine, EngineError, EngineErrorKind,
    EngineInfo, EngineResult, ExecOutcome, ExecOutput, ExecSpec, ImageInfo, Labels, NetworkInfo, NetworkSpec, Stats,
    VolumeInfo, op,
};

/// How long an attached program waits for a first byte of input before it runs without any.
const SILENCE: Duration = Duration::from_millis(20);

/// A call under way.
struct Ticket {
    number: usize,
    operation: &'static str,
    object: String,
    fault: Option<How>,
}

impl FakeEngine {
    /// Writes a call down, lets the test hear of it, and ends it here if it is to go wrong before anything is done.
    async fn begin(&self, operation: &'static str, object: &str) -> EngineResult<Ticket> {
        yield_now().await;
        let (call, fault, hook) = {
            let mut shared = self.lock();
            let number = shared.journal.len() + 1;
            let call = Call { number, operation, object: object.to_owned(), outcome: Outcome::Unfinished };
            let nth = shared.journal.iter().filter(|c| c.operation == operation).count() + 1;
            let fault = shared.faults.iter().find(|(when, _)| when.is(&call, nth)).map(|(_, how)| *how);
            shared.journal.push(call.clone());
            (call, fault, shared.hook.clone())
        };
        if let Some(hook) = hook {
            hook(&call);
        }
        match fault {
            Some(How::Hang) => pending().await,
            Some(How::Refuse(kind)) => {
                self.note(call.number, Outcome::Refused(kind));
                Err(EngineError::new(operation, object, kind, "the test wants this call to fail"))
            }
            _ => Ok(Ticket { number: call.number, operation, object: call.object, fault }),
        }
    }

    /// Writes down what became of a call, or lets its answer be lost.
    async fn finish<T>(&self, ticket: Ticket, answer: Answer<T>) -> EngineResult<T> {
        yield_now().await;
        let (outcome, result) = match (answer, ticket.fault) {
            (Err(why), _) => {
                let error = EngineError::new(ticket.operation, ticket.object, why.kind, why.detail);
                (Outcome::Refused(why.kind), Err(error))
            }
            (Ok(_), Some(How::HangAfterwards)) => return pending().await,
            (Ok(_), Some(How::LoseAnswer(kind))) => {
                let detail = "the test wants the answer of this call to be lost";
                (Outcome::Lost(kind), Err(EngineError::new(ticket.operation, ticket.object, kind, detail)))
            }
            (Ok(value), _) => (Outcome::Done, Ok(value)),
        };
        self.note(ticket.number, outcome);
        result
    }

    fn note(&self, number: usize, outcome: Outcome) {
        if let Some(call) = self.lock().journal.get_mut(number - 1) {
            call.outcome = outcome;
        }
    }

    /// A whole call.
    async fn call<T>(
        &self,
        operation: &'static str,
        object: &str,
        carry_out: impl FnOnce(&mut World) -> Answer<T> + Send,
    ) -> EngineResult<T> {
        let ticket = self.begin(operation, object).await?;
        let answer = carry_out(&mut self.lock().world);
        if op::changes(operation) {
            self.ended.notify_waiters();
        }
        self.finish(ticket, answer).await
    }
}

/// Bytes as a stream of several pieces.
fn stream(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<EngineResult<Vec<u8>>> = bytes.chunks(1000).map(|piece| Ok(piece.to_vec())).collect();
    Box::pin(futures::stream::iter(pieces))
}

impl Engine for FakeEngine {
    async fn info(&self) -> EngineResult<EngineInfo> {
        let info = self.lock().info.clone();
        self.call(op::INFO, &info.address.clone(), |_| Ok(info)).await
    }

    async fn find_image(&self, reference: &str) -> EngineResult<Option<ImageInfo>> {
        self.call(op::FIND_IMAGE, reference, |world| Ok(world.find_image(reference).cloned())).await
    }

    async fn list_images(&self, label: &str) -> EngineResult<Vec<ImageInfo>> {
        let list = |world: &mut World| world.images.iter().filter(|i| carries(&i.labels, label)).cloned().collect();
        self.call(op::LIST_IMAGES, label, |world| Ok(list(world))).await
    }

    async fn pull_image(
        &self,
        reference: &str,
        _platform: Option<&str>,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> EngineResult<()> {
        let ticket = self.begin(op::PULL_IMAGE, reference).await?;
        let answer = self.lock().world.pull_image(reference);
        if answer.is_ok() {
            progress("300 of 300 MB");
        }
        self.finish(ticket, answer).await
    }

    async fn remove_image(&self, reference: &str, force: bool) -> EngineResult<()> {
        self.call(op::REMOVE_IMAGE, reference, |world| world.remove_image(reference, force)).await
    }

    async fn tag_image(&self, source: &str, target: &str) -> EngineResult<()> {
        self.call(op::TAG_IMAGE, source, |world| world.tag_image(source, target)).await
    }

    async fn import_image(
        &self,
        reference: &str,
        _platform: Option<&str>,
        mut tar: ByteStream,
    ) -> EngineResult<String> {
        let ticket = self.begin(op::IMPORT_IMAGE, reference).await?;
        let mut size = 0;
        while let Some(piece) = tar.next().await {
            match piece {
                Ok(piece) => size += piece.len() as u64,
                Err(e) => return self.finish(ticket, refuse(EngineErrorKind::Other, e.to_string())).await,
            }
        }
        let id = {
            let world = &mut self.lock().world;
            let image = world.new_image(reference, Labels::new(), size);
            world.add_image(image)
        };
        self.finish(ticket, Ok(id)).await
    }

    async fn commit(&self, commit: &CommitSpec) -> EngineResult<String> {
        self.call(op::COMMIT, &commit.container, |world| {
            world.container(&commit.container)?;
            let image = world.new_image(&commit.reference, commit.labels.clone(), 300_000_000);
            Ok(world.add_image(image))
        })
        .await
    }

    async fn save_images(&self, references: &[String]) -> EngineResult<ByteStream> {
        self.call(op::SAVE_IMAGES, &references.join(", "), |world| {
            let names = references.iter().map(|r| Ok(world.image(r)?.tags.clone())).collect::<Answer<Vec<_>>>()?;
            let manifest: Vec<_> = names.iter().map(|tags| serde_json::json!({"RepoTags": tags})).collect();
            let mut tree = crate::engine::archive::Tree::new(0);
            let packed = tree
                .file("manifest.json", 0o644, serde_json::Value::from(manifest).to_string())
                .and_then(|tree| tree.build());
            packed.map(|bytes| stream(&bytes)).or_else(|e| refuse(EngineErrorKind::Other, e.to_string()))
        })
        .await
    }

    async fn list_networks(&self) -> EngineResult<Vec<NetworkInfo>> {
        let address = self.lock().info.address.clone();
        self.call(op::LIST_NETWORKS, &address, |world| Ok(world.list_networks())).await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> EngineResult<String> {
        self.call(op::CREATE_NETWORK, &spec.name, |world| world.create_network(spec)).await
    }

    async fn disconnect_container(&self, container: &str, network: &str) -> EngineResult<()> {
        self.call(op::DISCONNECT_CONTAINER, container, |world| {
            world.disconnect_container(container, network);
            Ok(())
        })
        .await
    }

    async fn remove_network(&self, name: &str) -> EngineResult<()> {
        self.call(op::REMOVE_NETWORK, name, |world| world.remove_network(name)).await
    }

    async fn list_volumes(&self, label: &str) -> EngineResult<Vec<VolumeInfo>> {
        self.call(op::LIST_VOLUMES, label, |world| Ok(world.list_volumes(label))).await
    }

    async fn create_volume(&self, name: &str, labels: &Labels) -> EngineResult<()> {
        self.call(op::CREATE_VOLUME, name, |world| {
            world.create_volume(name, labels);
            Ok(())
        })
        .await
    }

    async fn remove_volume(&self, name: &str) -> EngineResult<()> {
        self.call(op::REMOVE_VOLUME, name, |world| world.remove_volume(name)).await
    }

    async fn list_containers(&self, label: &str) -> EngineResult<Vec<ContainerInfo>> {
        self.call(op::LIST_CONTAINERS, label, |world| {
            let carrying = world.containers.values().filter(|c| label.is_empty() || carries(&c.spec.labels, label));
            // The listing of the real one does not tell these either.
            Ok(carrying.map(|c| ContainerInfo { exit_code: None, oom_killed: false, started: 0, ..c.info() }).collect())
        })
        .await
    }

    async fn inspect_container(&self, container: &str) -> EngineResult<Option<ContainerInfo>> {
        self.call(op::INSPECT_CONTAINER, container, |world| Ok(world.container(container).ok().map(|c| c.info()))).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> EngineResult<String> {
        self.call(op::CREATE_CONTAINER, &spec.name, |world| world.create_container(spec)).await
    }

    async fn start_container(&self, container: &str) -> EngineResult<()> {
        self.call(op::START_CONTAINER, container, |world| world.start_container(container)).await
    }

    async fn stop_container(&self, container: &str, _grace_seconds: u32) -> EngineResult<()> {
        self.call(op::STOP_CONTAINER, container, |world| world.stop_container(container)).await
    }

    async fn keep_container(&self, container: &str, keep: bool) -> EngineResult<()> {
        self.call(op::KEEP_CONTAINER, container, |world| world.keep(container, keep)).await
    }

    async fn rename_container(&self, container: &str, name: &str) -> EngineResult<()> {
        self.call(op::RENAME_CONTAINER, container, |world| world.rename_container(container, name)).await
    }

    async fn pause_container(&self, container: &str) -> EngineResult<()> {
        self.call(op::PAUSE_CONTAINER, container, |world| world.freeze(container, true)).await
    }

    async fn unpause_container(&self, container: &str) -> EngineResult<()> {
        self.call(op::UNPAUSE_CONTAINER, container, |world| world.freeze(container, false)).await
    }

    async fn remove_container(&self, container: &str) -> EngineResult<()> {
        self.call(op::REMOVE_CONTAINER, container, |world| {
            world.remove_container(container);
            Ok(())
        })
        .await
    }

    async fn wait_container(&self, container: &str) -> EngineResult<i64> {
        let ticket = self.begin(op::WAIT_CONTAINER, container).await?;
        let answer = loop {
            // Listening begins before looking, so that no end goes by unheard.
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            let seen = match self.lock().world.container(container) {
                Ok(found) if found.is_running() => None,
                Ok(found) => Some(Ok(found.exit_code.unwrap_or(0))),
                Err(why) => Some(Err(why)),
            };
            match seen {
                Some(answer) => break answer,
                None => ended.await,
            }
        };
        self.finish(ticket, answer).await
    }

    async fn container_logs(&self, container: &str, tail: u32) -> EngineResult<Vec<String>> {
        self.call(op::CONTAINER_LOGS, container, |world| {
            let log = &world.container(container)?.log;
            Ok(log[log.len().saturating_sub(tail as usize)..].to_vec())
        })
        .await
    }

    async fn put_archive(&self, container: &str, path: &str, tar: Vec<u8>) -> EngineResult<()> {
        self.call(op::PUT_ARCHIVE, container, |world| world.put_archive(container, path, &tar)).await
    }

    async fn put_stream(&self, container: &str, path: &str, mut tar: ByteStream) -> EngineResult<()> {
        let mut all = Vec::new();
        while let Some(piece) = tar.next().await {
            all.extend(piece?);
        }
        self.put_archive(container, path, all).await
    }

    async fn export_container(&self, container: &str) -> EngineResult<ByteStream> {
        self.call(op::EXPORT_CONTAINER, container, |world| Ok(stream(&world.get_archive(container, "/.")?))).await
    }

    async fn get_archive(&self, container: &str, path: &str) -> EngineResult<ByteStream> {
        self.call(op::GET_ARCHIVE, container, |world| Ok(stream(&world.get_archive(container, path)?))).await
    }

    async fn exec(&self, container: &str, exec: &ExecSpec) -> EngineResult<ExecOutcome> {
        let ticket = self.begin(op::EXEC, container).await?;
        let (running, program) = {
            let mut shared = self.lock();
            (shared.world.running(container), Arc::clone(&shared.program))
        };
        // Outside of the lock: the program may ask the fake about things.
        let answer = running.map(|name| program(&name, exec));
        self.finish(ticket, answer).await
    }

    async fn exec_attached(&self, container: &str, exec: &ExecSpec) -> EngineResult<AttachedExec> {
        let ticket = self.begin(op::EXEC, container).await?;
        let prepared = {
            let mut shared = self.lock();
            let program = Arc::clone(&shared.program);
            shared.world.running(container).map(|name| {
                let id = format!("exec-{}", ticket.number);
                shared.world.execs.insert(id.clone(), None);
                (name, id, program)
            })
        };
        let answer = prepared.map(|(name, id, program)| {
            if is_flock(exec) {
                return flock(self, &name, id, exec);
            }
            let (input, mut typed) = tokio::io::duplex(64 * 1024);
            let (engine, exec_id, mut exec) = (self.clone(), id.clone(), exec.clone());
            // The program runs once all of its input is there; a stdin that stays silent only tells that somebody listens.
            let run = async move {
                if exec.attach_stdin {
                    let mut bytes = Vec::new();
                    if let Ok(first) = tokio::time::timeout(SILENCE, typed.read_u8()).await {
                        bytes.extend(first);
                        // A pipe in memory breaks only by ending.
                        let _ = typed.read_to_end(&mut bytes).await;
                    }
                    exec.stdin = Some(bytes);
                }
                let outcome = program(&name, &exec);
                engine.lock().world.execs.insert(exec_id, Some(outcome.status));
                let printed = [ExecOutput::Stdout(outcome.stdout), ExecOutput::Stderr(outcome.stderr)];
                futures::stream::iter(printed.into_iter().filter(|piece| !is_empty(piece)).map(Ok))
            };
            AttachedExec { id, output: Box::pin(futures::stream::once(run).flatten()), input: Box::pin(input) }
        });
        self.finish(ticket, answer).await
    }

    async fn resize_exec(&self, exec_id: &str, _columns: u16, _rows: u16) -> EngineResult<()> {
        self.call(op::RESIZE_EXEC, exec_id, |world| match world.execs.get(exec_id) {
            Some(_) => Ok(()),
            None => refuse(EngineErrorKind::NotFound, format!("No such exec instance: {exec_id}")),
        })
        .await
    }

    async fn exec_status(&self, exec_id: &str) -> EngineResult<i64> {
        self.call(op::EXEC_STATUS, exec_id, |world| match world.execs.get(exec_id) {
            Some(Some(status)) => Ok(*status),
            Some(None) => refuse(EngineErrorKind::TimedOut, "the program still runs although its output has ended"),
            None => refuse(EngineErrorKind::NotFound, format!("No such exec instance: {exec_id}")),
        })
        .await
    }

    async fn stats(&self, container: &str) -> EngineResult<Stats> {
        self.call(op::STATS, container, |world| Ok(world.container(container)?.stats)).await
    }
}

fn is_empty(piece: &ExecOutput) -> bool {
    match piece {
        ExecOutput::Stdout(bytes) | ExecOutput::Stderr(bytes) => bytes.is_empty(),
    }
}
