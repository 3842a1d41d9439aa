//! Runs repairs, and says exactly what was run and what came of it.

use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;

use super::facts::SOCKETS;
use super::fix::{Fix, ShellCommand};
use crate::report::Steps;

/// How long a daemon may take from its start to its first answer.
const START_TIME: Duration = Duration::from_secs(30);
/// How many of a program's last lines are kept.
const KEPT_LINES: usize = 10;

/// The system that repairs are run on.
pub trait Shell: Send + Sync {
    /// Whether we are root already.
    fn is_root(&self) -> bool;
    /// Runs a program to its end.
    fn run(&self, argv: &[String]) -> impl Future<Output = ShellOutput> + Send;
    /// Completes with true as soon as somebody listens on Docker's socket, with false when that takes too long.
    fn docker_listens(&self) -> impl Future<Output = bool> + Send;
}

/// What a program left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellOutput {
    /// Whether it ended with status 0.
    pub success: bool,
    /// Its last lines, or why it could not be run.
    pub last_lines: Vec<String>,
}

/// What came of a command or of a whole repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// It worked.
    Done,
    /// It did not.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// The program's last lines, or the reason.
        last_lines: Vec<String>,
    },
    /// It needs root, and neither are we root nor does sudo let us without a password.
    NotAllowed,
    /// Something before it failed.
    Skipped,
}

/// A repair as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// What was being done.
    pub title: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Each command with its own outcome.
    pub commands: Vec<AppliedCommand>,
}

/// A command as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedCommand {
    /// The command as it would be typed.
    pub command: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Runs repairs one after the other; each is a step on the screen. What fails does not stop the next one.
pub async fn apply<S: Shell>(fixes: &[Fix], shell: &S, steps: &Steps) -> Vec<Applied> {
    let Some(prefix) = privilege(shell).await else {
        return fixes.iter().map(not_allowed).collect();
    };
    let mut all = Vec::new();
    for fix in fixes {
        let step = steps.start(fix.title());
        let mut commands = Vec::new();
        let mut outcome = Outcome::Done;
        for command in fix.commands() {
            let shown = shown(&prefix, &command);
            if outcome != Outcome::Done {
                commands.push(AppliedCommand { command: shown, outcome: Outcome::Skipped });
                continue;
            }
            step.progress(&shown);
            let argv: Vec<String> = prefix.iter().chain(&command.argv).cloned().collect();
            let output = shell.run(&argv).await;
            let this = if output.success { Outcome::Done } else { Outcome::Failed { last_lines: output.last_lines } };
            if command.required {
                outcome = this.clone();
            }
            commands.push(AppliedCommand { command: shown, outcome: this });
        }
        if outcome == Outcome::Done && fix.starts_docker() {
            step.progress("waiting for its socket");
            if !shell.docker_listens().await {
                let silence = format!("Docker did not answer within {}s of its start", START_TIME.as_secs());
                outcome = Outcome::Failed { last_lines: vec![silence] };
            }
        }
        if outcome == Outcome::Done {
            step.done(fix.done());
        }
        all.push(Applied { title: fix.title(), outcome, commands });
    }
    all
}

/// What to put before commands that need root; `None` if nothing helps.
async fn privilege<S: Shell>(shell: &S) -> Option<Vec<String>> {
    if shell.is_root() {
        return Some(Vec::new());
    }
    let sudo: Vec<String> = ["sudo", "-n"].map(Into::into).into();
    let test: Vec<String> = sudo.iter().cloned().chain(["true".to_owned()]).collect();
    shell.run(&test).await.success.then_some(sudo)
}

fn shown(prefix: &[String], command: &ShellCommand) -> String {
    if prefix.is_empty() { command.shown() } else { format!("sudo {}", command.shown()) }
}

fn not_allowed(fix: &Fix) -> Applied {
    let command = |command: &ShellCommand| AppliedCommand {
        command: format!("sudo {}", command.shown()),
        outcome: Outcome::NotAllowed,
    };
    Applied { title: fix.title(), outcome: Outcome::NotAllowed, commands: fix.commands().iter().map(command).collect() }
}

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealShell;

impl Shell for RealShell {
    fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }

    async fn run(&self, argv: &[String]) -> ShellOutput {
        let Some((program, arguments)) = argv.split_first() else {
            return ShellOutput::default();
        };
        let run = tokio::process::Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
        match run {
            Ok(output) => {
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8_lossy(&text);
                let lines: Vec<String> =
                    text.lines().map(str::trim_end).filter(|l| !l.is_empty()).map(Into::into).collect();
                let from = lines.len().saturating_sub(KEPT_LINES);
                ShellOutput { success: output.status.success(), last_lines: lines[from..].to_vec() }
            }
            Err(e) => ShellOutput { success: false, last_lines: vec![format!("cannot run `{program}`: {e}")] },
        }
    }

    async fn docker_listens(&self) -> bool {
        let listens = async {
            let mut turn = tokio::time::interval(Duration::from_millis(100));
            loop {
                turn.tick().await;
                for socket in SOCKETS {
                    match tokio::net::UnixStream::connect(socket).await {
                        Ok(_) => return,
                        // Somebody is there; that we may not speak to it is another finding.
                        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return,
                        Err(_) => {}
                    }
                }
            }
        };
        tokio::time::timeout(START_TIME, listens).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::doctor::{Init, PackageManager};
    use crate::report::Event;
    use crate::report::plain::Recorder;

    /// Notes what it is asked to run, and fails for programs whose command line contains a word.
    #[derive(Default)]
    struct Script {
        root: bool,
        breaks: Option<&'static str>,
        deaf: bool,
        ran: Mutex<Vec<String>>,
    }

    impl Shell for Script {
        fn is_root(&self) -> bool {
            self.root
        }

        async fn run(&self, argv: &[String]) -> ShellOutput {
            let line = argv.join(" ");
            let success = !self.breaks.is_some_and(|word| line.contains(word));
            self.ran.lock().expect("no test panics inside").push(line);
            ShellOutput { success, last_lines: if success { Vec::new() } else { vec!["no such thing".into()] } }
        }

        async fn docker_listens(&self) -> bool {
            !self.deaf
        }
    }

    async fn applied(shell: &Script, fix: Fix) -> (Applied, Vec<Event>) {
        let recorder = Arc::new(Recorder::default());
        let mut all = apply(&[fix], shell, &Steps::new(recorder.clone())).await;
        (all.remove(0), recorder.events())
    }

    fn install() -> Fix {
        Fix::InstallDocker(PackageManager::Apt, Init::Systemd)
    }

    #[tokio::test]
    async fn root_runs_every_command_and_an_unneeded_failure_is_forgiven() {
        let shell = Script { root: true, breaks: Some("update"), ..Script::default() };
        let (applied, events) = applied(&shell, install()).await;
        assert_eq!(applied.outcome, Outcome::Done);
        assert_eq!(applied.commands[0].outcome, Outcome::Failed { last_lines: vec!["no such thing".into()] });
        assert_eq!(shell.ran.lock().expect("no panic").len(), 3);
        assert!(matches!(events.last(), Some(Event::StepDone { .. })));
    }

    #[tokio::test]
    async fn a_failure_skips_the_rest() {
        let shell = Script { root: true, breaks: Some("docker.io"), ..Script::default() };
        let (applied, events) = applied(&shell, install()).await;
        assert!(matches!(applied.outcome, Outcome::Failed { .. }));
        assert_eq!(applied.commands[2].outcome, Outcome::Skipped);
        assert!(matches!(events.last(), Some(Event::StepFailed { .. })));
    }

    #[tokio::test]
    async fn a_daemon_that_stays_silent_is_a_failure() {
        let shell = Script { root: true, deaf: true, ..Script::default() };
        let (applied, _) = applied(&shell, Fix::StartDocker(Init::Systemd)).await;
        assert!(matches!(applied.outcome, Outcome::Failed { .. }));
    }

    #[tokio::test]
    async fn sudo_is_used_when_it_asks_nothing_and_commands_are_shown_when_it_does() {
        let shell = Script::default();
        let (done, _) = applied(&shell, Fix::LoadModule("overlay")).await;
        assert_eq!(done.commands[0].command, "sudo modprobe overlay");
        assert_eq!(shell.ran.lock().expect("no panic")[..2], ["sudo -n true", "sudo -n modprobe overlay"]);

        let shell = Script { breaks: Some("sudo"), ..Script::default() };
        let (refused, events) = applied(&shell, Fix::LoadModule("overlay")).await;
        assert_eq!((refused.outcome, events.len()), (Outcome::NotAllowed, 0));
        assert_eq!(refused.commands[0].command, "sudo modprobe overlay");
        assert_eq!(shell.ran.lock().expect("no panic").len(), 1);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn real_programs_are_run() {
        let argv = |script: &str| ["sh", "-c", script].map(str::to_owned);
        let good = RealShell.run(&argv("seq 20")).await;
        assert_eq!((good.success, good.last_lines.len(), good.last_lines[9].as_str()), (true, 10, "20"));
        let bad = RealShell.run(&argv("echo why >&2; exit 3")).await;
        assert_eq!(bad, ShellOutput { success: false, last_lines: vec!["why".into()] });
        assert!(!RealShell.run(&["/absent/program".to_owned()]).await.success);
    }
}
