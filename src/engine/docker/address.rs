//! Where Docker is: the rules of the docker command line, without its side doors that we cannot take.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::fs;

/// The socket of a Docker that belongs to the machine.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The context that means «no context».
const NO_CONTEXT: &str = "default";
/// No file of the docker command line is larger.
const MOST: u64 = 1 << 20;

/// What the environment says about where Docker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `DOCKER_HOST`; goes before everything else.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`; goes before the current context of the docker command line.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`, or `~/.docker`: where the docker command line keeps its contexts.
    pub config_folder: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, where a rootless Docker has its socket.
    pub runtime_folder: Option<PathBuf>,
    /// Whether `DOCKER_TLS_VERIFY` is set (to anything but nothing).
    pub tls: bool,
}

/// An address that we can speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl Address {
    /// The address as the docker command line writes it.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Tcp(authority) => format!("tcp://{authority}"),
        }
    }
}

/// Finds the address: `DOCKER_HOST`, else the context, else the machine's socket, else the rootless socket.
pub(super) fn find(surroundings: &Surroundings) -> Result<Address> {
    find_from(surroundings, Path::new(DEFAULT_SOCKET))
}

fn find_from(surroundings: &Surroundings, default: &Path) -> Result<Address> {
    let set = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
    if let Some(host) = set(&surroundings.docker_host) {
        return parse(&host, surroundings.tls).map_err(|why| {
            Error::new(ErrorKind::Environment, format!("cannot use `DOCKER_HOST`, which is `{host}`"))
                .cause(why)
                .hint("set `DOCKER_HOST` to a local socket such as `unix:///var/run/docker.sock`, or unset it")
        });
    }
    if let Some(folder) = &surroundings.config_folder {
        let context = match set(&surroundings.docker_context) {
            Some(context) => Some(context),
            None => current_context(folder)?,
        };
        if let Some(context) = context.filter(|name| name != NO_CONTEXT) {
            return of_context(folder, &context);
        }
    }
    let exists = |path: &Path| matches!(fs::facts(path), Ok(Some(_)));
    let rootless = surroundings.runtime_folder.as_ref().map(|folder| folder.join("docker.sock"));
    Ok(Address::Unix(match rootless {
        Some(socket) if !exists(default) && exists(&socket) => socket,
        _ => default.to_owned(),
    }))
}

/// Reads an address, or says why it cannot be used.
fn parse(host: &str, tls: bool) -> std::result::Result<Address, String> {
    let Some((scheme, rest)) = host.split_once("://") else {
        return Err("it has no scheme such as `unix://`".to_owned());
    };
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Address::Unix(PathBuf::from(rest))),
        "unix" => Err("the path of the socket is not absolute".to_owned()),
        "tcp" | "http" if tls => Err("knarr does not speak TLS to Docker".to_owned()),
        "tcp" | "http" => {
            let authority = rest.trim_end_matches('/');
            let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            match port {
                Some(_) if !authority.contains('/') => Ok(Address::Tcp(authority.to_owned())),
                _ => Err("it is not of the form `tcp://host:port`".to_owned()),
            }
        }
        other => Err(format!("knarr does not speak `{other}` to Docker")),
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The current context of the docker command line, if it has one.
fn current_context(folder: &Path) -> Result<Option<String>> {
    let path = folder.join("config.json");
    let repair = "repair the file, or set `DOCKER_HOST` so that it is not needed";
    let Some(text) = fs::read_if_exists(&path, MOST).map_err(|e| e.hint(repair))? else { return Ok(None) };
    let config: Config = serde_json::from_slice(&text).map_err(|e| {
        Error::new(ErrorKind::Environment, format!("cannot read `{}`", path.display())).source(&e).hint(repair)
    })?;
    Ok(Some(config.current_context).filter(|name| !name.is_empty()))
}

/// The address that a context names.
fn of_context(folder: &Path, context: &str) -> Result<Address> {
    let cannot = || {
        Error::new(ErrorKind::Environment, format!("cannot use the docker context `{context}`"))
            .hint("choose another one with `docker context use default`, or set `DOCKER_HOST`")
    };
    // The command line names the folder of a context after the hash of its name.
    let id = Sha256::digest(context.as_bytes()).iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    let contexts = folder.join("contexts");
    let path = contexts.join("meta").join(&id).join("meta.json");
    let text = fs::read_if_exists(&path, MOST).map_err(|e| e.context(cannot().message))?;
    let text = text.ok_or_else(|| cannot().cause("there is no such context"))?;
    let meta: Meta = serde_json::from_slice(&text)
        .map_err(|e| cannot().cause(format!("`{}` is not as expected", path.display())).source(&e))?;
    let host = meta.endpoints.docker.host;
    let tls = fs::facts(&contexts.join("tls").join(&id).join("docker"))?.is_some();
    parse(&host, tls).map_err(|why| cannot().cause(format!("it leads to `{host}`: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf x | sha256sum`
    const X_ID: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

    fn unix(path: impl Into<PathBuf>) -> Address {
        Address::Unix(path.into())
    }

    /// A docker config folder whose current context `x` leads to `host`.
    fn with_context(host: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let meta = home.path().join(".docker/contexts/meta").join(X_ID);
        fs::create_dir_all(&meta, 0o700, None).unwrap();
        let config = r#"{"auths":{},"currentContext":"x"}"#;
        fs::write(&home.path().join(".docker/config.json"), config.as_bytes(), 0o600).unwrap();
        let text = format!(r#"{{"Name":"x","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
        fs::write(&meta.join("meta.json"), text.as_bytes(), 0o600).unwrap();
        home
    }

    fn of(home: &tempfile::TempDir) -> Surroundings {
        Surroundings { config_folder: Some(home.path().join(".docker")), ..Surroundings::default() }
    }

    #[test]
    fn the_variable_goes_first() {
        let folder = with_context("unix:///context.sock");
        let host = |host: &str| Surroundings { docker_host: Some(host.to_owned()), ..of(&folder) };
        assert_eq!(find(&host("unix:///a.sock")).unwrap(), unix("/a.sock"));
        assert_eq!(find(&host("tcp://127.0.0.1:2375")).unwrap(), Address::Tcp("127.0.0.1:2375".to_owned()));
        assert_eq!(find(&host("")).unwrap(), unix("/context.sock"));
        let refused = |s: &Surroundings| find(s).unwrap_err().causes.remove(0);
        assert_eq!(refused(&host("ssh://me@there")), "knarr does not speak `ssh` to Docker");
        assert_eq!(refused(&host("/var/run/docker.sock")), "it has no scheme such as `unix://`");
        assert_eq!(refused(&host("tcp://there")), "it is not of the form `tcp://host:port`");
        let tls = Surroundings { tls: true, ..host("tcp://there:2376") };
        assert_eq!(refused(&tls), "knarr does not speak TLS to Docker");
    }

    #[test]
    fn then_the_context() {
        assert_eq!(find(&of(&with_context("unix:///c.sock"))).unwrap(), unix("/c.sock"));
        let error = find(&of(&with_context("ssh://me@there"))).unwrap_err();
        insta::assert_snapshot!(error, @r"
        error: cannot use the docker context `x`
          caused by: it leads to `ssh://me@there`: knarr does not speak `ssh` to Docker
        hint: choose another one with `docker context use default`, or set `DOCKER_HOST`
        ");
        let folder = with_context("tcp://there:2376");
        let tls = folder.path().join(".docker/contexts/tls");
        fs::create_dir_all(&tls.join(X_ID).join("docker"), 0o700, None).unwrap();
        assert_eq!(
            find(&of(&folder)).unwrap_err().causes,
            ["it leads to `tcp://there:2376`: knarr does not speak TLS to Docker"]
        );
        let folder = with_context("unix:///c.sock");
        let other = |name: &str| Surroundings { docker_context: Some(name.to_owned()), ..of(&folder) };
        assert_eq!(find(&other("y")).unwrap_err().causes, ["there is no such context"]);
        assert_eq!(find_from(&other("default"), Path::new("/d.sock")).unwrap(), unix("/d.sock"));
    }

    #[test]
    fn then_the_sockets() {
        let run = tempfile::tempdir().unwrap();
        let rootless = run.path().join("docker.sock");
        let machine = run.path().join("machine.sock");
        let s = Surroundings { runtime_folder: Some(run.path().to_owned()), ..Surroundings::default() };
        assert_eq!(find_from(&s, &machine).unwrap(), unix(&machine), "neither exists");
        fs::write(&rootless, b"", 0o600).unwrap();
        assert_eq!(find_from(&s, &machine).unwrap(), unix(&rootless));
        fs::write(&machine, b"", 0o600).unwrap();
        assert_eq!(find_from(&s, &machine).unwrap(), unix(&machine), "both exist");
        assert_eq!(find_from(&Surroundings::default(), &machine).unwrap(), unix(&machine));
    }

    #[test]
    fn a_broken_config_names_itself() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find_from(&of(&folder), Path::new("/d.sock")).unwrap(), unix("/d.sock"), "no config at all");
        fs::create_dir_all(&folder.path().join(".docker"), 0o700, None).unwrap();
        fs::write(&folder.path().join(".docker/config.json"), b"{", 0o600).unwrap();
        assert!(find(&of(&folder)).unwrap_err().message.ends_with("config.json`"));
    }
}
