//! The other end of the agent's socket: `knarr-node status` and `knarr-node reload`, run by `docker exec`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use knarr_contract::{AGENT_SOCKET, ComponentStatus, NodeStatus};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};

use crate::cli::Format;
use crate::fault::{Context, Fault, Result};
use crate::{say, server};

/// Prints the status, with `watch` again at every change until nobody reads it any more.
pub fn status(format: Format, watch: bool) -> Result<()> {
    let mut answers = ask(if watch { "watch\n" } else { "status\n" })?;
    loop {
        // Nobody may be reading any more, which writing alone would show only at the next change.
        if watch && answers.buffer().is_empty() && !wait(answers.get_ref())? {
            return Ok(());
        }
        let mut line = String::new();
        if answers.read_line(&mut line).context(|| "the answer of PID 1")? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        match format {
            Format::Json => say::answer(line)?,
            Format::Text => say::answer(&table(&serde_json::from_str(line).context(|| "the answer of PID 1")?))?,
        }
        if !watch {
            return Ok(());
        }
    }
}

/// Makes PID 1 read the node file again.
pub fn reload() -> Result<()> {
    let mut line = String::new();
    ask("reload\n")?.read_line(&mut line).context(|| "the answer of PID 1")?;
    match line.trim_end() {
        "" => Err(Fault::new("PID 1 gave no answer")),
        answer => answer.strip_prefix(server::FAILED).map_or_else(|| say::answer(answer), |why| Err(Fault::new(why))),
    }
}

fn ask(request: &str) -> Result<BufReader<UnixStream>> {
    let what = || format!("PID 1 does not answer on {AGENT_SOCKET}");
    let mut stream = UnixStream::connect(AGENT_SOCKET).context(what)?;
    stream.write_all(request.as_bytes()).context(what)?;
    Ok(BufReader::new(stream))
}

/// Waits for the next answer; false means that nobody reads what is printed here any more.
///
/// `docker exec` leaves standard output open when its caller goes away, but closes standard input if that was attached.
fn wait(answers: &UnixStream) -> Result<bool> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let attached = fstat(&input).is_ok_and(|meta| SFlag::from_bits_truncate(meta.st_mode).contains(SFlag::S_IFIFO));
    let mut wanted = [
        PollFd::new(answers.as_fd(), PollFlags::POLLIN),
        PollFd::new(output.as_fd(), PollFlags::empty()),
        PollFd::new(input.as_fd(), PollFlags::empty()),
    ];
    poll(&mut wanted, PollTimeout::NONE).context(|| "waiting for PID 1")?;
    let found = |index: usize, flags| wanted[index].revents().is_some_and(|found: PollFlags| found.intersects(flags));
    let lost = found(1, PollFlags::POLLERR | PollFlags::POLLHUP) || (attached && found(2, PollFlags::POLLHUP));
    Ok(!lost)
}

fn table(status: &NodeStatus) -> String {
    let mut text = format!("{} is {}\n", status.node, word(status.phase));
    for sentence in &status.adaptations {
        let _ = writeln!(text, "  {sentence}");
    }
    let width = status.components.iter().map(|component| component.name.len()).max().unwrap_or(0).max(9);
    let _ = writeln!(text, "{:width$}  STATE     READY  PID      RESTARTS  NOTE", "COMPONENT");
    for component in &status.components {
        let pid = component.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let ready = if component.ready { "yes" } else { "no" };
        let line = format!(
            "{:width$}  {:8}  {ready:5}  {pid:7}  {:<8}  {}",
            component.name,
            word(component.state),
            component.restarts,
            remark(component)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.truncate(text.trim_end().len());
    text
}

/// The word that the contract uses for a phase or a state.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn remark(component: &ComponentStatus) -> String {
    let waiting = component.waiting_for.as_ref().map(|what| format!("waits for {what}"));
    let ended = component.last_exit.as_ref().map(|how| format!("last ended with {how}"));
    waiting.into_iter().chain(ended).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use knarr_contract::{ComponentState, Phase};

    use super::*;

    #[test]
    fn the_table_says_it_all() {
        let status = NodeStatus {
            node: "dev".into(),
            phase: Phase::Running,
            adaptations: vec!["x is missing: y".into()],
            components: vec![ComponentStatus {
                name: "kube-apiserver".into(),
                state: ComponentState::BackOff,
                ready: false,
                pid: None,
                restarts: 3,
                recent_exits: 2,
                started_ms: None,
                ready_ms: None,
                last_exit: Some("exit status 1".into()),
                waiting_for: Some("the next start, 2 s after the exit".into()),
            }],
        };
        let text = table(&status);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["dev is running", "  x is missing: y"]);
        assert!(lines[2].starts_with("COMPONENT       STATE"));
        assert!(lines[3].starts_with("kube-apiserver  back-off  no     -        3"));
        assert!(lines[3].ends_with("2 s after the exit; last ended with exit status 1"));
    }
}
