//! Programs as a person runs them: to the end with everything they said, or in the background, watched line by line.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No command of this suite may take longer; a hanging one fails its case instead of the whole run.
const LONGEST: Duration = Duration::from_secs(180);

/// A program that has ended.
pub struct Run {
    words: String,
    /// The exit status; 128 + n after signal n.
    pub status: i32,
    /// What it wrote on stdout.
    pub stdout: Vec<u8>,
    /// What it wrote on stderr.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Run {
    /// stdout as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// stdout as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}):\n{self}"))
    }

    /// Panics with the whole transcript unless the status is `status`.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n{self}");
        self
    }

    /// Panics unless it went well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Panics unless stdout and stderr together contain `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out().contains(text) || self.stderr.contains(text), "`{text}` is not in\n{self}");
        self
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {} (status {}, {:?})", self.words, self.status, self.took)?;
        writeln!(f, "--- stdout\n{}--- stderr\n{}---", self.out(), self.stderr)
    }
}

fn words(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let all = std::iter::once(program).chain(command.get_args());
    all.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|s| 128 + s)).expect("it has ended")
}

/// Runs a command to its end, with `input` on its stdin.
pub fn run(command: &mut Command, input: &[u8]) -> Run {
    Background::start_with(command, input).end()
}

/// A program that runs in the background. Dropped, it is killed.
pub struct Background {
    words: String,
    child: Child,
    begun: Instant,
    lines: Receiver<String>,
    said: String,
    stdout: Option<JoinHandle<Vec<u8>>>,
}

impl Background {
    /// Starts a command with nothing on its stdin.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, b"")
    }

    fn start_with(command: &mut Command, input: &[u8]) -> Self {
        let words = words(command);
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap_or_else(|e| panic!("cannot start {words}: {e}"));
        let (mut stdin, input) = (child.stdin.take().expect("piped"), input.to_vec());
        // A program that does not read its stdin may close it.
        std::thread::spawn(move || stdin.write_all(&input));
        let mut out = child.stdout.take().expect("piped");
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ended = out.read_to_end(&mut bytes);
            bytes
        });
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { words, child, begun: Instant::now(), lines, said: String::new(), stdout: Some(stdout) }
    }

    /// Waits for the next line on stderr that fits; false when the program ended before.
    pub fn until_line(&mut self, fits: impl Fn(&str) -> bool) -> bool {
        loop {
            match self.lines.recv_timeout(LONGEST) {
                Ok(line) => {
                    self.said.push_str(&line);
                    self.said.push('\n');
                    if fits(&line) {
                        return true;
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => self.too_long(),
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process id");
        kill_process(pid, signal).expect("one's own child may be signalled");
    }

    fn too_long(&mut self) -> ! {
        let _gone = self.child.kill();
        panic!("`{}` took longer than {LONGEST:?}; it said:\n{}", self.words, self.said);
    }

    /// Waits for the end.
    pub fn end(mut self) -> Run {
        self.until_line(|_| false);
        // stderr is closed, so the program ends any moment, and with it stdout.
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if self.begun.elapsed() > LONGEST => self.too_long(),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let took = self.begun.elapsed();
        let stdout = self.stdout.take().expect("taken once").join().expect("reading does not panic");
        let (words, stderr) = (std::mem::take(&mut self.words), std::mem::take(&mut self.said));
        Run { words, status: code(status), stdout, stderr, took }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Does several things at once; the first that panics fails the case.
pub fn together(tasks: Vec<Box<dyn FnOnce() + Send + '_>>) {
    std::thread::scope(|scope| {
        let running: Vec<_> = tasks.into_iter().map(|task| scope.spawn(task)).collect();
        for task in running {
            if let Err(panic) = task.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// A port of this machine that nobody has right now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    listener.local_addr().expect("it has one").port()
}
