//! Every child of PID 1, its own and inherited ones, is buried here; helpers like `ip` are waited for on the side.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::fault::{Context, Fault, Result};
use crate::supervise::Event;

/// How many children somebody else waits for. As long as there are any, nothing is buried here, so that nobody's exit
/// status is taken away.
static WAITED_FOR: Mutex<usize> = Mutex::new(0);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn waited_for() -> MutexGuard<'static, usize> {
    WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps children from being buried while it exists.
struct Vigil;

impl Vigil {
    fn new() -> Self {
        *waited_for() += 1;
        Self
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        *waited_for() -= 1;
        // Others may have ended meanwhile.
        let _ = kill(Pid::this(), Signal::SIGCHLD);
    }
}

/// The search path for helpers and components.
pub const fn search_path() -> &'static str {
    PATH
}

/// The signals that PID 1 handles. They are blocked in every thread and taken by [`watch`] alone.
pub fn signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD].into_iter().collect()
}

/// Waits for signals for ever, and turns them into events.
pub fn watch(signals: &SigSet, events: &Sender<Event>) {
    loop {
        let event = match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                bury(events);
                continue;
            }
            Ok(Signal::SIGHUP) => Event::Reload(None),
            Ok(_) => Event::Stop,
            Err(_) => continue,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Collects all children that have ended; several may stand behind one signal.
fn bury(events: &Sender<Event>) {
    let waited_for = waited_for();
    if *waited_for > 0 {
        return;
    }
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) => {
                if let Some(pid) = status.pid() {
                    let _ = events.send(Event::Ended { pid, how: in_words(status) });
                }
            }
            Ok(WaitStatus::StillAlive) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn in_words(status: WaitStatus) -> String {
    match status {
        WaitStatus::Signaled(_, signal, _) => format!("signal {} ({signal})", signal as i32),
        WaitStatus::Exited(_, code) => format!("exit status {code}"),
        other => format!("{other:?}"),
    }
}

/// Starts a process that [`watch`] will bury.
pub fn spawn(command: &mut Command) -> std::io::Result<Pid> {
    // The standard library waits for a child whose start failed.
    let _vigil = Vigil::new();
    let child = command.spawn()?;
    Ok(pid_of(&child))
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// Runs a helper with `input` to its end and returns what it printed.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let output = finish(program, arguments, input).context(|| program)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint: Vec<&str> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(Fault::new(format!("{program}: {}: {}", output.status, complaint.join("; "))))
}

fn finish(program: &str, arguments: &[&str], input: &str) -> std::io::Result<Output> {
    let _vigil = Vigil::new();
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that fails early closes its input; its own complaint says more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_put_in_words() {
        let pid = Pid::from_raw(9);
        assert_eq!(in_words(WaitStatus::Exited(pid, 1)), "exit status 1");
        assert_eq!(in_words(WaitStatus::Signaled(pid, Signal::SIGKILL, false)), "signal 9 (SIGKILL)");
    }

    #[test]
    fn a_helper_gets_its_input_and_its_complaint_is_kept() {
        assert_eq!(run("cat", &[], "hello").expect("runs"), "hello");
        let fault = run("sh", &["-c", "echo no >&2; exit 3"], "").expect_err("fails").to_string();
        assert!(fault.contains('3') && fault.ends_with(": no"), "{fault}");
        assert!(run("/no/such/helper", &[], "").is_err());
    }
}
