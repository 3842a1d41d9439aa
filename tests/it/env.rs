//! A whole run of the program against a Docker and a Kubernetes in memory: from words to a transcript.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::future::{FutureExt, ready};
use insta::internals::SettingsBindDropGuard;
use knarr::cli;
use knarr::cli::outside::{Output, Outside};
use knarr::cli::settings::Environment;
use knarr::engine::fake::FakeEngine;
use knarr::engine::{EngineError, ExecOutcome, ExecSpec, Labels};
use knarr::error::Error;
use knarr::host::Host;
use knarr::host::probe::{Probe, Space};
use knarr::image::{CONTRACT_LABEL, versions};
use knarr::kubernetes::fake::{FakeKubernetes, Script};
use knarr::signal::Interrupt;
use knarr_contract::{CONTRACT, ComponentState, ComponentStatus, NODE_FILE, NodeFile, NodeStatus, Phase, Reloaded};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::etcd::Etcd;

/// A machine of which nothing is known: no test depends on the one it runs on.
pub struct Blank;

impl Probe for Blank {
    fn read(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn exists(&self, _: &str) -> bool {
        false
    }
    fn may_write(&self, _: &str) -> bool {
        false
    }
    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn link(&self, _: &str) -> Option<String> {
        None
    }
    fn space(&self, _: &str) -> Option<Space> {
        None
    }
}

/// What a run finds: its Docker, its Kubernetes, its home.
pub struct Env {
    pub engine: FakeEngine,
    pub kubernetes: FakeKubernetes,
    pub etcd: Etcd,
    pub environment: Environment,
    /// Why Docker cannot be reached, if it cannot.
    pub docker: Option<Error>,
    pub stdin: Vec<u8>,
    /// Whether somebody still reads stdout.
    pub stdout_open: bool,
    pub host: fn() -> Host,
    /// Hears each line on stderr while the program writes it.
    pub listener: Option<Listener>,
    home: TempDir,
}

/// Hears what a program writes.
pub type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// What a run printed and how it ended.
pub struct Transcript {
    pub words: String,
    pub stdout: String,
    pub stderr: String,
    pub status: u8,
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}", self.words)?;
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr ---\n{}", self.stderr)?;
        }
        write!(f, "--- exit status {} ---", self.status)
    }
}

/// Bytes that were written, kept.
#[derive(Clone, Default)]
struct Page {
    bytes: Arc<Mutex<Vec<u8>>>,
    closed: bool,
    listener: Option<Listener>,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.bytes.lock().expect("no writer panics").extend_from_slice(bytes);
        if let Some(listener) = &self.listener {
            listener(&String::from_utf8_lossy(bytes));
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.closed { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().expect("no writer panics").clone()).expect("output is text")
    }

    fn opener(&self) -> Output {
        let page = self.clone();
        Arc::new(move || Box::new(page.clone()))
    }
}

impl Env {
    /// A usual machine: the node image is here, agents and API servers are well, the user has another context.
    pub fn new() -> Self {
        let home = in_memory().expect("a folder");
        let engine = FakeEngine::new();
        // The fake's clock stands still, the machine's does not.
        engine.set_info(|info| info.clock = None);
        engine.add_image(&versions::default_reference(), &node_image());
        let (agents, etcd) = (engine.clone(), Etcd::default());
        let members = etcd.clone();
        engine.on_exec(move |node, exec| programs(&agents, &members, node, exec));
        let environment = Environment {
            home: Some(home.path().to_owned()),
            cache_dir: Some(home.path().join(".cache/knarr")),
            dumb_terminal: true,
            ..Environment::default()
        };
        let env = Self {
            engine,
            kubernetes: FakeKubernetes::new(Script::default()),
            etcd,
            environment,
            docker: None,
            stdin: Vec::new(),
            stdout_open: true,
            host: || Host::new(Blank),
            listener: None,
            home,
        };
        std::fs::create_dir(env.home.path().join(".kube")).expect("a folder");
        std::fs::write(env.kubeconfig_path(), KUBECONFIG).expect("a file");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(env.kubeconfig_path(), private).expect("it is ours");
        env
    }

    /// The same, with an API server that follows a script.
    pub fn scripted(script: Script) -> Self {
        Self { kubernetes: FakeKubernetes::new(script), ..Self::new() }
    }

    pub fn kubeconfig_path(&self) -> PathBuf {
        self.home.path().join(".kube/config")
    }

    pub fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.kubeconfig_path()).expect("it is there")
    }

    /// Runs `knarr` with these words.
    pub async fn knarr(&self, words: &str) -> Transcript {
        self.run(words, Interrupt::manual()).await
    }

    /// Runs `knarr` with these words and this Ctrl-C.
    pub async fn run(&self, words: &str, interrupt: Interrupt) -> Transcript {
        let stdout = Page { closed: !self.stdout_open, ..Page::default() };
        let stderr = Page { listener: self.listener.clone(), ..Page::default() };
        let (engine, refusal, stdin) = (self.engine.clone(), self.docker.clone(), self.stdin.clone());
        let outside = Outside {
            docker: Arc::new(move |_| ready(refusal.clone().map_or_else(|| Ok(engine.clone()), Err)).boxed()),
            kubernetes: Arc::new(self.kubernetes.clone()),
            host: self.host,
            interrupt,
            stdin: Arc::new(move || Box::pin(io::Cursor::new(stdin.clone()))),
            stdout: stdout.opener(),
            stderr: stderr.opener(),
        };
        let argv = std::iter::once("knarr").chain(words.split_whitespace()).map(Into::into).collect();
        // The future of all commands is large; on the heap it does not make every test's own large.
        let status = Box::pin(cli::run(argv, self.environment.clone(), outside)).await;
        let home = self.home.path().display().to_string();
        let shown = |page: &Page| page.text().replace(&home, "/home/ana");
        Transcript {
            words: format!("knarr {words}").trim_end().to_owned(),
            stdout: shown(&stdout),
            stderr: shown(&stderr),
            status,
        }
    }

    /// Runs `knarr` with these words, and kills it when Docker is called for the so-manieth time.
    pub async fn killed_at(&self, number: usize, words: &str) {
        let killed = CancellationToken::new();
        let kill = killed.clone();
        self.engine.on_call(move |call| {
            if call.number == number {
                kill.cancel();
            }
        });
        tokio::select! {
            biased;
            () = killed.cancelled() => {}
            _ = self.knarr(words) => {}
        }
        self.engine.on_call(|_| ());
    }

    /// What knarr has not removed: everything that carries one of its labels.
    pub fn left(&self) -> Vec<String> {
        self.engine.left()
    }
}

/// A folder that costs no disk: each write of a kubeconfig waits until it is safe there, and tests write thousands.
fn in_memory() -> io::Result<TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }
}

/// What the user has before knarr comes.
pub const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: work
clusters:
- name: work
  cluster: {server: https://work.example.com}
contexts:
- name: work
  context: {cluster: work, user: ana}
users:
- name: ana
  user: {token: secret}
";

/// The labels of an image that this knarr makes nodes of.
pub fn node_image() -> Labels {
    Labels::from([(CONTRACT_LABEL.to_owned(), CONTRACT.to_string())])
}

/// A refusal of the first contact with Docker.
pub fn refusal(kind: knarr::engine::EngineErrorKind, detail: &str) -> Error {
    EngineError::new("reach Docker at", "unix:///var/run/docker.sock", kind, detail).into()
}

/// A program that printed this and ended well.
pub fn printed(stdout: impl Into<Vec<u8>>) -> ExecOutcome {
    ExecOutcome { stdout: stdout.into(), ..ExecOutcome::default() }
}

/// Every program of a node on which everything is well, its etcd too.
pub fn programs(engine: &FakeEngine, etcd: &Etcd, node: &str, exec: &ExecSpec) -> ExecOutcome {
    if exec.argv.first().is_some_and(|program| program.ends_with("/etcdctl")) {
        return etcd.etcdctl(engine, node, exec);
    }
    healthy(engine, node, exec)
}

/// Answers for the programs of a node on which everything is well.
pub fn healthy(engine: &FakeEngine, node: &str, exec: &ExecSpec) -> ExecOutcome {
    agent(engine, node, exec, |_| {})
}

/// The same, with the agent's status changed.
pub fn agent(engine: &FakeEngine, node: &str, exec: &ExecSpec, change: impl FnOnce(&mut NodeStatus)) -> ExecOutcome {
    let argv: Vec<&str> = exec.argv.iter().map(String::as_str).collect();
    match argv[..] {
        ["knarr-node", "status", ..] => {
            let Some(file) = engine.file(node, NODE_FILE) else { return ExecOutcome { status: 1, ..printed("") } };
            let file: NodeFile = serde_json::from_slice(&file).expect("knarr writes what agents read");
            // As if each process were another one each time: whoever waits for a restart sees one.
            let pid = u32::try_from(engine.calls().len()).expect("few calls");
            let ready = |name: &str| ComponentStatus { pid: Some(pid), ..ready_component(name) };
            let components = file.components.iter().map(|c| ready(&c.name)).collect();
            let mut status = NodeStatus { node: file.node, phase: Phase::Running, adaptations: Vec::new(), components };
            change(&mut status);
            printed(serde_json::to_string(&status).expect("it is JSON") + "\n")
        }
        ["knarr-node", "reload"] => {
            let reloaded = Reloaded { restarted: vec!["kubelet".into()], ..Reloaded::default() };
            printed(serde_json::to_string(&reloaded).expect("it is JSON") + "\n")
        }
        [program, _, "drain", node, ..] if program.ends_with("/kubectl") => printed(format!("node/{node} drained\n")),
        ["tail", .., path] => printed(format!("the last line of {path}\n")),
        // The certificates of some files, each after its path.
        ["sh", "-c", script, "sh", ref paths @ ..] if script.contains("BEGIN CERT") => {
            let certificates = paths.iter().map(|path| {
                let text = String::from_utf8_lossy(&engine.file(node, path).unwrap_or_default()).into_owned();
                let end = "-----END CERTIFICATE-----\n";
                let pem = text.find(end).map_or("", |at| &text[..at + end.len()]);
                format!("== {path}\n{pem}")
            });
            printed(certificates.collect::<String>().into_bytes())
        }
        ["ctr", .., "list", name] => printed(format!("{name} io.cri-containerd.image=managed\n")),
        _ => printed(""),
    }
}

fn ready_component(name: &str) -> ComponentStatus {
    ComponentStatus {
        name: name.to_owned(),
        state: ComponentState::Running,
        ready: true,
        pid: Some(42),
        restarts: 0,
        recent_exits: 0,
        started_ms: Some(10),
        ready_ms: Some(400),
        last_exit: None,
        waiting_for: None,
    }
}

/// Until it is dropped, what differs from run to run has a name in snapshots instead.
pub fn filtered() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\b\d+\.\d+s\b", "TIME");
    settings.add_filter(r#""seconds": [0-9.e-]+"#, r#""seconds": TIME"#);
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID");
    settings.add_filter(r#""time":"[^"]+""#, r#""time":"NOW""#);
    settings.add_filter(r#""seconds":[0-9.e-]+"#, r#""seconds":TIME"#);
    settings.add_filter(r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT");
    settings.add_filter(r"\b0{40,}[0-9a-f]+\b", "ID");
    settings.add_filter(r"v1\.36\.\d+", "v1.36.X");
    settings.bind_to_scope()
}
