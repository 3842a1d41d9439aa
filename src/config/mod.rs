//! From the text of a config file and flags to a [`ClusterSpec`]: decode strictly, convert, validate, report all at once.

mod decode;
mod defaults;
mod kind_patches;
mod kind_v1alpha4;
mod problems;
pub mod suggest;
pub mod v1alpha1;
mod validate;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::defaults::{CLUSTER_VARIABLE, NAME as DEFAULT_NAME};
use self::problems::Problems;
pub use self::suggest::{nearest, unknown};
use self::validate::{Input, validate};
pub use self::write::write;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::ClusterSpec;

/// Where the config comes from. Reading is the caller's business.
#[derive(Clone, Debug)]
pub enum Source {
    /// There is no file: defaults and flags only.
    None,
    /// A file: its path as the user wrote it, and what is in it.
    File(PathBuf, String),
    /// What came from standard input.
    Stdin(String),
}

/// What flags say; they win over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--name`
    pub name: Option<String>,
    /// `--image`, for all nodes.
    pub image: Option<String>,
    /// `--control-planes`
    pub control_planes: Option<u32>,
    /// `--workers`
    pub workers: Option<u32>,
    /// `--nodes`: all nodes, the control plane among them.
    pub nodes: Option<u32>,
    /// `--cpus`, for all nodes.
    pub cpus: Option<String>,
    /// `--memory`, for all nodes.
    pub memory: Option<String>,
    /// `--api-port`; 0 means any free one.
    pub api_port: Option<u16>,
    /// `--addon`: addons to turn on.
    pub addons: Vec<String>,
    /// `--no-addon`: addons to turn off.
    pub no_addons: Vec<String>,
    /// `--manifest`: applied behind those of the file.
    pub manifests: Vec<String>,
    /// `--ttl`
    pub ttl: Option<Duration>,
}

/// What validation must know of the program and of the machine.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The verb that wants the config, such as `create`.
    pub verb: &'a str,
    /// The name of a cluster that neither flag nor file names, as the environment has it.
    pub default_name: Option<&'a str>,
    /// The node image of this version of knarr.
    pub default_image: &'a str,
    /// The current folder, absolute.
    pub current_dir: &'a Path,
    /// Whether an absolute path of the Docker host exists; always true if the host is not this machine.
    pub exists: &'a dyn Fn(&Path) -> bool,
}

/// A valid config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What to build.
    pub spec: ClusterSpec,
    /// What the user should know although it works, one sentence each.
    pub warnings: Vec<String>,
}

/// Makes a spec of a config and flags.
///
/// # Errors
///
/// [`ErrorKind::Config`] with one line for each problem of the file, or the first place where it cannot be read;
/// [`ErrorKind::Usage`] if only flags are wrong. What state things are in then only the caller knows.
pub fn load(source: &Source, overrides: &Overrides, around: &Surroundings<'_>) -> Result<Loaded> {
    let decoded = match source {
        Source::None => decode::Decoded::default(),
        Source::File(_, text) | Source::Stdin(text) => {
            decode::decode(text, around.default_image).map_err(|wrong| unreadable(source, &wrong))?
        }
    };
    let decode::Decoded { cluster, dialect, mut problems, mut warnings, own } = decoded;
    let base = match source {
        // As in kind, paths of its files start at the current folder; those of ours at the file's.
        Source::File(path, _) if own => around.current_dir.join(path.parent().unwrap_or(Path::new(""))),
        _ => around.current_dir.into(),
    };
    let input = Input { cluster: &cluster, overrides, around, dialect: &dialect, base };
    match validate(&input) {
        Ok((spec, more)) if problems.is_empty() => {
            warnings.extend(more);
            Ok(Loaded { spec, warnings })
        }
        Ok(_) => Err(invalid(source, around.verb, &problems)),
        Err(more) => {
            problems.extend(more);
            Err(invalid(source, around.verb, &problems))
        }
    }
}

/// The JSON Schema of the config file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(v1alpha1::Cluster);
    schema.insert("title".into(), "knarr cluster".into());
    schema.insert("required".into(), serde_json::json!(["apiVersion", "kind"]));
    schema.to_value()
}

/// A config file that explains itself: every key with its default, or as an example to uncomment.
pub fn init() -> &'static str {
    include_str!("example.yaml")
}

/// The source in a sentence.
fn name(source: &Source) -> String {
    match source {
        Source::None => "the command line".into(),
        Source::File(path, _) => format!("`{}`", path.display()),
        Source::Stdin(_) => "the config on standard input".into(),
    }
}

fn unreadable(source: &Source, wrong: &decode::Unreadable) -> Error {
    let file = match source {
        Source::File(path, _) => path.display().to_string(),
        Source::None | Source::Stdin(_) => "<stdin>".into(),
    };
    Error::new(ErrorKind::Config, format!("cannot read {}", name(source)))
        .details([wrong.in_file(&file)])
        .hint("see every key with an explanation with `knarr config init`")
}

fn invalid(source: &Source, verb: &str, problems: &Problems) -> Error {
    let flags = problems.only_flags();
    let (kind, name) = if flags { (ErrorKind::Usage, name(&Source::None)) } else { (ErrorKind::Config, name(source)) };
    let number = if problems.len() == 1 { "1 problem".into() } else { format!("{} problems", problems.len()) };
    let error = Error::new(kind, format!("{name} has {number}")).details(problems.lines());
    match source {
        Source::File(path, _) if !flags => error.hint(format!(
            "see what would be done, without doing it, with `knarr {verb} --config {} --dry-run`",
            quoted(&path.display().to_string())
        )),
        Source::Stdin(_) if !flags => error.hint("see every key with an explanation with `knarr config init`"),
        _ => error.hint(format!("see what flags mean with `knarr {verb} --help`")),
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+,@%".contains(c);
    if word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
