//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::{Fault, Result};

/// What `knarr-node help` prints.
pub const USAGE: &str = "\
knarr-node                                       as PID 1: boot the container described by /etc/knarr/node.json
knarr-node status [-o json|text] [--watch]       print what the node does; with --watch again at every change
knarr-node reload                                read node.json again and carry out what has changed: routes,
                                                 forwarded ports, components; prints at once which are started,
                                                 stopped, restarted or signalled, and status shows how they fare
knarr-node probe dns --server IP[:PORT] --name NAME [--netns PATH | --netns-of-any-pod] [--timeout SECONDS]
                                                 ask a name server for an IPv4 address, from inside a pod's network
knarr-node version";

/// What the caller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Boot and supervise the node.
    Boot,
    /// Become a component (used by the agent itself).
    Launch(Launch),
    /// Print the status.
    Status {
        /// How to print it.
        format: Format,
        /// Whether to go on at every change.
        watch: bool,
    },
    /// Apply a changed node file.
    Reload,
    /// Ask a name server.
    ProbeDns(ProbeDns),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

/// How a status is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON line.
    Json,
    /// A table for people.
    Text,
}

/// How a component is started: see `launch.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Its `nice` value.
    pub nice: i32,
    /// Its `oom_score_adj`, if it is to be changed.
    pub oom: Option<i32>,
    /// The program and its arguments.
    pub argv: Vec<String>,
}

/// One question to a name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeDns {
    /// The name server.
    pub server: SocketAddr,
    /// The name, taken as complete.
    pub name: String,
    /// From where the question is asked.
    pub from: Netns,
    /// How long to go on asking; none means: once.
    pub timeout: Option<Duration>,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// The caller's.
    Own,
    /// The one behind this path.
    Path(PathBuf),
    /// That of any pod on this node.
    AnyPod,
}

/// Reads the arguments (without the program's name).
pub fn parse(arguments: &[String]) -> Result<Command> {
    let mut words = arguments.iter().map(String::as_str);
    let Some(first) = words.next() else { return Ok(Command::Boot) };
    match first {
        "status" => status(&mut words),
        "probe" => match words.next() {
            Some("dns") => probe_dns(&mut words),
            other => Err(misuse(&format!("`probe` knows `dns` only, not `{}`", other.unwrap_or("")))),
        },
        "launch" => launch(&mut words),
        "reload" => end(&mut words, Command::Reload),
        "version" | "--version" | "-V" => end(&mut words, Command::Version),
        "help" | "--help" | "-h" => Ok(Command::Help),
        other => Err(misuse(&format!("unknown command `{other}`"))),
    }
}

type Words<'a> = dyn Iterator<Item = &'a str> + 'a;

fn misuse(what: &str) -> Fault {
    Fault::new(format!("{what}\n{USAGE}"))
}

fn end(words: &mut Words<'_>, command: Command) -> Result<Command> {
    words.next().map_or(Ok(command), |word| Err(misuse(&format!("unexpected `{word}`"))))
}

fn value<'a>(words: &mut Words<'a>, option: &str) -> Result<&'a str> {
    words.next().ok_or_else(|| misuse(&format!("`{option}` needs a value")))
}

fn number<T: std::str::FromStr>(words: &mut Words<'_>, option: &str) -> Result<T> {
    let text = value(words, option)?;
    text.parse().map_err(|_| misuse(&format!("`{option} {text}` is not a number")))
}

fn status(words: &mut Words<'_>) -> Result<Command> {
    let (mut format, mut watch) = (Format::Text, false);
    while let Some(word) = words.next() {
        match word {
            "-o" | "--output" => {
                format = match value(words, word)? {
                    "json" => Format::Json,
                    "text" => Format::Text,
                    other => return Err(misuse(&format!("`{word} {other}`: json or text"))),
                };
            }
            "-w" | "--watch" => watch = true,
            other => return Err(misuse(&format!("unexpected `{other}`"))),
        }
    }
    Ok(Command::Status { format, watch })
}

fn probe_dns(words: &mut Words<'_>) -> Result<Command> {
    let (mut server, mut name, mut from, mut timeout) = (None, None, Netns::Own, None);
    while let Some(word) = words.next() {
        match word {
            "--server" => {
                let text = value(words, word)?;
                let parsed = text.parse::<Ipv4Addr>().map(|ip| SocketAddr::from((ip, 53)));
                server = Some(parsed.or_else(|_| text.parse()).map_err(|_| misuse("`--server` takes IP or IP:PORT"))?);
            }
            "--name" => name = Some(value(words, word)?.to_owned()),
            "--netns" => from = Netns::Path(value(words, word)?.into()),
            "--netns-of-any-pod" => from = Netns::AnyPod,
            "--timeout" => {
                let seconds: f64 = number(words, word)?;
                let duration = Duration::try_from_secs_f64(seconds);
                timeout = Some(duration.map_err(|_| misuse("`--timeout` takes seconds"))?);
            }
            other => return Err(misuse(&format!("unexpected `{other}`"))),
        }
    }
    match (server, name) {
        (Some(server), Some(name)) => Ok(Command::ProbeDns(ProbeDns { server, name, from, timeout })),
        _ => Err(misuse("`probe dns` needs `--server` and `--name`")),
    }
}

fn launch(words: &mut Words<'_>) -> Result<Command> {
    let (mut nice, mut oom) = (0, None);
    while let Some(word) = words.next() {
        match word {
            "--nice" => nice = number(words, word)?,
            "--oom" => oom = Some(number(words, word)?),
            "--" => {
                let argv: Vec<String> = words.map(str::to_owned).collect();
                if argv.is_empty() {
                    break;
                }
                return Ok(Command::Launch(Launch { nice, oom, argv }));
            }
            other => return Err(misuse(&format!("unexpected `{other}`"))),
        }
    }
    Err(misuse("`launch` needs `-- PROGRAM`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn no_arguments_boot() {
        assert_eq!(parsed("").expect("parses"), Command::Boot);
    }

    #[test]
    fn status_takes_format_and_watch() {
        let wanted = Command::Status { format: Format::Json, watch: true };
        assert_eq!(parsed("status -o json --watch").expect("parses"), wanted);
        assert!(parsed("status -o yaml").is_err());
        assert!(parsed("status -o").is_err());
    }

    #[test]
    fn a_probe_needs_server_and_name() {
        let Command::ProbeDns(probe) =
            parsed("probe dns --server 10.96.0.10 --name a.b --timeout 1.5").expect("parses")
        else {
            panic!("not a probe");
        };
        assert_eq!(probe.server, SocketAddr::from(([10, 96, 0, 10], 53)));
        assert_eq!(probe.timeout, Some(Duration::from_millis(1500)));
        assert!(parsed("probe dns --server 10.96.0.10").is_err());
        assert!(parsed("probe dns --server x --name y").is_err());
        assert!(parsed("probe dns --server 1.2.3.4:5353 --name y --timeout -1").is_err());
    }

    #[test]
    fn launch_keeps_everything_after_the_dashes() {
        let wanted = Launch { nice: -5, oom: Some(-999), argv: vec!["/bin/x".into(), "--nice".into()] };
        assert_eq!(parsed("launch --nice -5 --oom -999 -- /bin/x --nice").expect("parses"), Command::Launch(wanted));
        assert!(parsed("launch --").is_err());
    }
}
