//! Containers: list, make, start, stop, remove, wait, log, measure.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::models::{ContainerStatsResponse, ContainerUpdateBody};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, ListContainersOptions, LogsOptions, RemoveContainerOptions,
    RenameContainerOptions, StartContainerOptions, StatsOptions, StopContainerOptions, WaitContainerOptions,
};
use futures::StreamExt;
use tokio::time::Instant;

use super::DockerEngine;
use super::convert::{container_from_inspect, container_from_summary, create_body, label_filter, restart_policy};
use super::errors::{removal_in_progress, translate};
use super::images::absent;
use super::info::has_json_logs;
use crate::engine::{ContainerInfo, ContainerSpec, EngineError, EngineErrorKind, EngineResult, Stats, op};

/// How long a removal that somebody else began may take.
const FOREIGN_REMOVAL: Duration = Duration::from_secs(60);
/// How often such a removal is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) async fn list(engine: &DockerEngine, label: &str) -> EngineResult<Vec<ContainerInfo>> {
    let filters = (!label.is_empty()).then(|| label_filter(label));
    let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
    let listed = engine.client.list_containers(Some(options)).await;
    let listed = listed.map_err(|e| translate(op::LIST_CONTAINERS, label, &e))?;
    Ok(listed.into_iter().map(container_from_summary).collect())
}

pub(super) async fn inspect(engine: &DockerEngine, container: &str) -> EngineResult<Option<ContainerInfo>> {
    match engine.client.inspect_container(container, None::<InspectContainerOptions>).await {
        Ok(found) => Ok(Some(container_from_inspect(found))),
        Err(e) => absent(translate(op::INSPECT_CONTAINER, container, &e)),
    }
}

pub(super) async fn create(engine: &DockerEngine, spec: &ContainerSpec) -> EngineResult<String> {
    let bounded_logs = has_json_logs(engine).await?;
    let body = create_body(spec, bounded_logs)
        .map_err(|why| EngineError::new(op::CREATE_CONTAINER, &spec.name, EngineErrorKind::Other, why))?;
    let options =
        CreateContainerOptions { name: Some(spec.name.clone()), platform: spec.platform.clone().unwrap_or_default() };
    let made = engine.client.create_container(Some(options), body).await;
    Ok(made.map_err(|e| translate(op::CREATE_CONTAINER, &spec.name, &e))?.id)
}

pub(super) async fn start(engine: &DockerEngine, container: &str) -> EngineResult<()> {
    let started = engine.client.start_container(container, None::<StartContainerOptions>).await;
    started.map_err(|e| translate(op::START_CONTAINER, container, &e))
}

pub(super) async fn stop(engine: &DockerEngine, container: &str, grace_seconds: u32) -> EngineResult<()> {
    let grace = i32::try_from(grace_seconds).unwrap_or(i32::MAX);
    let options = StopContainerOptions { t: Some(grace), ..StopContainerOptions::default() };
    let stopped = engine.patient.stop_container(container, Some(options)).await;
    stopped.map_err(|e| translate(op::STOP_CONTAINER, container, &e))
}

pub(super) async fn keep(engine: &DockerEngine, container: &str, keep: bool) -> EngineResult<()> {
    let body = ContainerUpdateBody { restart_policy: Some(restart_policy(keep)), ..ContainerUpdateBody::default() };
    let updated = engine.client.update_container(container, body).await;
    updated.map_err(|e| translate(op::KEEP_CONTAINER, container, &e))
}

pub(super) async fn rename(engine: &DockerEngine, container: &str, name: &str) -> EngineResult<()> {
    let renamed = engine.client.rename_container(container, RenameContainerOptions { name: name.to_owned() }).await;
    renamed.map_err(|e| translate(op::RENAME_CONTAINER, container, &e))
}

pub(super) async fn pause(engine: &DockerEngine, container: &str) -> EngineResult<()> {
    let paused = engine.client.pause_container(container).await;
    paused.map_err(|e| translate(op::PAUSE_CONTAINER, container, &e))
}

pub(super) async fn unpause(engine: &DockerEngine, container: &str) -> EngineResult<()> {
    let unpaused = engine.client.unpause_container(container).await;
    unpaused.map_err(|e| translate(op::UNPAUSE_CONTAINER, container, &e))
}

pub(super) async fn remove(engine: &DockerEngine, container: &str) -> EngineResult<()> {
    let deadline = Instant::now() + FOREIGN_REMOVAL;
    loop {
        // With its anonymous volumes: they carry no label, nobody would ever find them again.
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        let Err(error) = engine.patient.remove_container(container, Some(options)).await else {
            return Ok(());
        };
        let error = translate(op::REMOVE_CONTAINER, container, &error);
        // Asking again is how to wait: it says «not found» when the other removal is done, and takes over if it failed.
        if !removal_in_progress(&error) || Instant::now() >= deadline {
            return absent(error).map(|_: Option<()>| ());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

pub(super) async fn wait(engine: &DockerEngine, container: &str) -> EngineResult<i64> {
    let options = WaitContainerOptions { condition: "not-running".to_owned() };
    let mut answers = Box::pin(engine.patient.wait_container(container, Some(options)));
    match answers.next().await {
        Some(Ok(answer)) => Ok(answer.status_code),
        // bollard makes an error of every exit status that is not 0.
        Some(Err(BollardError::DockerContainerWaitError { error, code })) if error.is_empty() => Ok(code),
        Some(Err(e)) => Err(translate(op::WAIT_CONTAINER, container, &e)),
        None => {
            let detail = "the connection to Docker ended before the container did";
            Err(EngineError::new(op::WAIT_CONTAINER, container, EngineErrorKind::Unreachable, detail))
        }
    }
}

pub(super) async fn logs(engine: &DockerEngine, container: &str, tail: u32) -> EngineResult<Vec<String>> {
    let options = LogsOptions { stdout: true, stderr: true, tail: tail.to_string(), ..LogsOptions::default() };
    let mut stream = Box::pin(engine.client.logs(container, Some(options)));
    let mut lines = Lines::default();
    while let Some(piece) = stream.next().await {
        lines.hear(&piece.map_err(|e| translate(op::CONTAINER_LOGS, container, &e))?);
    }
    let mut lines = lines.finish();
    let surplus = lines.len().saturating_sub(tail as usize);
    lines.drain(..surplus);
    Ok(lines)
}

/// Puts lines together: a long one comes in several pieces, and pieces of both streams may alternate.
#[derive(Default)]
struct Lines {
    whole: Vec<String>,
    open: [Vec<u8>; 2],
}

impl Lines {
    fn hear(&mut self, piece: &LogOutput) {
        let open = &mut self.open[usize::from(matches!(piece, LogOutput::StdErr { .. }))];
        for part in piece.as_ref().split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.whole.push(text(open));
                open.clear();
            }
        }
    }

    fn finish(self) -> Vec<String> {
        let rest = self.open.into_iter().filter(|line| !line.is_empty());
        let rest: Vec<String> = rest.map(|line| text(&line)).collect();
        self.whole.into_iter().chain(rest).collect()
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned()
}

pub(super) async fn stats(engine: &DockerEngine, container: &str) -> EngineResult<Stats> {
    let options = StatsOptions { stream: false, one_shot: true };
    let mut answers = Box::pin(engine.client.stats(container, Some(options)));
    match answers.next().await {
        Some(Ok(answer)) => Ok(read_stats(answer)),
        Some(Err(e)) => Err(translate(op::STATS, container, &e)),
        None => Err(EngineError::new(op::STATS, container, EngineErrorKind::Other, "Docker gave no numbers")),
    }
}

fn read_stats(answer: ContainerStatsResponse) -> Stats {
    let cpu = answer.cpu_stats.and_then(|c| c.cpu_usage).and_then(|u| u.total_usage);
    let memory = answer.memory_stats.unwrap_or_default();
    let details = memory.stats.unwrap_or_default();
    // cgroup v2 says `anon`. cgroup v1 says `total_rss` for the whole tree, and `rss` for its root without the pods.
    let anonymous = ["anon", "total_rss", "rss"].iter().find_map(|key| details.get(*key).copied());
    Stats { cpu_nanos: cpu.unwrap_or(0), memory: memory.usage.unwrap_or(0), anonymous }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_together_from_pieces() {
        let out = |text: &'static str| LogOutput::StdOut { message: text.into() };
        let err = |text: &'static str| LogOutput::StdErr { message: text.into() };
        let mut lines = Lines::default();
        for piece in [out("a\nb"), err("x\r\n"), out("c\n\n"), err("y"), out("d")] {
            lines.hear(&piece);
        }
        assert_eq!(lines.finish(), ["a", "x", "bc", "", "d", "y"]);
    }

    #[test]
    fn stats_of_both_cgroup_versions() {
        let read = |stats: &str| {
            let json = format!(
                r#"{{"cpu_stats":{{"cpu_usage":{{"total_usage":7}}}},"memory_stats":{{"usage":9,"stats":{stats}}}}}"#
            );
            read_stats(serde_json::from_str(&json).unwrap())
        };
        assert_eq!(read(r#"{"anon":5,"file":2}"#), Stats { cpu_nanos: 7, memory: 9, anonymous: Some(5) });
        assert_eq!(read(r#"{"rss":1,"total_rss":4}"#).anonymous, Some(4));
        assert_eq!(read("{}").anonymous, None);
    }
}
