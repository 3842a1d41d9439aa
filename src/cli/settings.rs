//! What the process was given, as values: the only reader of the environment.

#![expect(clippy::disallowed_methods, reason = "this is the one file that reads the environment")]

mod owner;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use crate::config::CLUSTER_VARIABLE;
use crate::engine::docker;
use crate::fs::Owner;

/// Everything that the process gives us beside its arguments. Names of variables stand here and in the table of CI
/// systems; `KNARR_CLUSTER` is also told in the help of the flags that it stands in for.
#[derive(Clone, Default)]
pub struct Environment {
    /// What says where Docker is: `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `DOCKER_TLS_VERIFY`,
    /// `XDG_RUNTIME_DIR`.
    pub docker: docker::Surroundings,
    /// `KNARR_CLUSTER`: the cluster that is meant where none is named.
    pub cluster: Option<String>,
    /// `KUBECONFIG`
    pub kubeconfig: Option<String>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The folder for what can be made again, `~/.cache/knarr`.
    pub cache_dir: Option<PathBuf>,
    /// `SUDO_UID` and `SUDO_GID`: who owns what is written under sudo.
    pub sudo_owner: Option<Owner>,
    /// `CI` is set.
    pub ci: bool,
    /// Which job of a CI system this is, in one word.
    pub owner: Option<String>,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// Whether stderr is a terminal.
    pub stderr_terminal: bool,
    /// `TERM` is `dumb` or not set: the cursor cannot be moved.
    pub dumb_terminal: bool,
    /// Whether stdin is a terminal.
    pub stdin_terminal: bool,
    /// Whether stdout is a terminal.
    pub stdout_terminal: bool,
    /// Every variable, for what is passed on: proxies, CA bundles, Go's and cargo's settings.
    pub all: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the process's environment.
    pub fn of_process() -> Self {
        let all: BTreeMap<String, String> = std::env::vars().collect();
        let get = |name: &str| all.get(name).filter(|v| !v.is_empty()).cloned();
        let number = |name: &str| get(name).and_then(|v| v.parse().ok());
        Self {
            docker: docker::Surroundings {
                docker_host: get("DOCKER_HOST"),
                docker_context: get("DOCKER_CONTEXT"),
                config_folder: get("DOCKER_CONFIG")
                    .map(PathBuf::from)
                    .or_else(|| dirs::home_dir().map(|home| home.join(".docker"))),
                runtime_folder: get("XDG_RUNTIME_DIR").map(PathBuf::from),
                tls: get("DOCKER_TLS_VERIFY").is_some(),
            },
            cluster: get(CLUSTER_VARIABLE),
            kubeconfig: get("KUBECONFIG"),
            home: dirs::home_dir(),
            cache_dir: dirs::cache_dir().map(|d| d.join("knarr")),
            sudo_owner: number("SUDO_UID").zip(number("SUDO_GID")).map(|(uid, gid)| Owner { uid, gid }),
            ci: get("CI").is_some_and(|v| v != "false" && v != "0"),
            owner: owner::owner(&all),
            no_color: get("NO_COLOR").is_some(),
            stderr_terminal: std::io::stderr().is_terminal(),
            dumb_terminal: get("TERM").is_none_or(|t| t == "dumb"),
            stdin_terminal: std::io::stdin().is_terminal(),
            stdout_terminal: std::io::stdout().is_terminal(),
            all,
        }
    }
}
