//! The scene of one case: its own home and kubeconfig, names of this run only, and knarr as a person would call it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::processes::{Background, Run, run};

/// What every object of this run is named with: unique on the machine, so that a sweep meets nobody else's.
pub fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| format!("kt-{}-{:03x}", std::process::id(), rand::random::<u16>() & 0xfff))
}

/// A folder that is kept between runs, for what is dear to make: kubectl's copy, logs of failed cases.
pub fn kept() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// One case's surroundings, gone when it ends.
pub struct Scene {
    folder: TempDir,
}

impl Scene {
    /// An empty home.
    pub fn new(case: &str) -> Self {
        eprintln!("\n== {case}");
        let folder = tempfile::Builder::new().prefix("knarr-test-").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("home")).expect("a folder");
        Self { folder }
    }

    /// A path inside the scene.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the scene.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a temporary file is written");
        path
    }

    /// The one kubeconfig of the scene.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// The kubeconfig's text; none when there is no such file.
    pub fn kubeconfig_text(&self) -> Option<String> {
        std::fs::read_to_string(self.kubeconfig()).ok()
    }

    /// A cluster's name of this run, and a guard that removes whatever carries it.
    pub fn cluster(&self, name: &str) -> Cluster<'_> {
        Cluster::named(self, format!("{}-{name}", prefix()))
    }

    /// The binary under test in this scene's surroundings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_knarr"));
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    /// Any other program in this scene's surroundings.
    pub fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        // Where Docker is may be known by a context in the real home.
        if std::env::var_os("DOCKER_CONFIG").is_none()
            && let Some(home) = std::env::home_dir()
        {
            command.env("DOCKER_CONFIG", home.join(".docker"));
        }
        command
            .current_dir(self.folder.path())
            .env("HOME", self.path("home"))
            .env("KUBECONFIG", self.kubeconfig())
            .env("XDG_CACHE_HOME", kept().join("cache"))
            .env("NO_COLOR", "1")
            .env_remove("KNARR_CLUSTER");
    }

    /// Runs knarr to its end.
    pub fn knarr(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments), b"")
    }

    /// Runs knarr with something on its stdin.
    pub fn knarr_reading(&self, arguments: &[&str], input: &[u8]) -> Run {
        run(&mut self.command(arguments), input)
    }

    /// Starts knarr in the background.
    pub fn start(&self, arguments: &[&str]) -> Background {
        Background::start(&mut self.command(arguments))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
