//! From text to wire types: which format is it, and does it have only known keys of the right types?

use super::kind_v1alpha4;
use super::problems::Problems;
use super::suggest::{did_you_mean, nearest};
use super::v1alpha1;
use super::validate::Dialect;
use crate::yaml::{self, Value, YamlError};

/// A config in our format.
pub(super) struct Decoded {
    pub cluster: v1alpha1::Cluster,
    pub dialect: Dialect,
    /// What a conversion found wrong.
    pub problems: Problems,
    pub warnings: Vec<String>,
    /// Whether the file was in our own format.
    pub own: bool,
}

impl Default for Decoded {
    fn default() -> Self {
        let (cluster, problems) = (v1alpha1::Cluster::default(), Problems::default());
        Self { cluster, dialect: Dialect::own(), problems, warnings: Vec::new(), own: true }
    }
}

/// The first thing that keeps a text from being read.
#[derive(Clone, Debug)]
pub(super) struct Unreadable(YamlError);

impl Unreadable {
    /// `dev.yaml:3:5: nodes[0]: …`
    pub fn in_file(&self, file: &str) -> String {
        let YamlError { line, column, path, message } = &self.0;
        let position = if *line > 0 { format!(":{line}:{column}") } else { String::new() };
        let path = path.as_ref().map(|path| format!(" {path}:")).unwrap_or_default();
        format!("{file}{position}:{path} {message}")
    }

    fn at_key(path: &str, message: String) -> Self {
        Self(YamlError { line: 0, column: 0, path: Some(path.into()), message })
    }
}

impl From<YamlError> for Unreadable {
    fn from(mut error: YamlError) -> Self {
        error.message = in_our_words(&error.message);
        Self(error)
    }
}

/// Reads our format, or kind's.
pub(super) fn decode(text: &str, default_image: &str) -> Result<Decoded, Unreadable> {
    let value = yaml::parse_value(text)?;
    let own = match format(&value)? {
        Format::Own => true,
        Format::Kind => false,
    };
    if own {
        return Ok(Decoded { cluster: yaml::parse(text)?, ..Decoded::default() });
    }
    let kind: kind_v1alpha4::Cluster = yaml::parse(text)?;
    let kind_v1alpha4::Converted { cluster, dialect, problems, warnings } =
        kind_v1alpha4::convert(&kind, default_image);
    Ok(Decoded { cluster, dialect, problems, warnings, own })
}

enum Format {
    Own,
    Kind,
}

fn format(value: &Value) -> Result<Format, Unreadable> {
    let known = [v1alpha1::API_VERSION, kind_v1alpha4::API_VERSION];
    let both = format!("`{}`, or kind's `{}`", known[0], known[1]);
    let Value::Mapping(map) = value else {
        let is = if value.is_null() { "empty" } else { "not a mapping" };
        return Err(YamlError {
            line: 0,
            column: 0,
            path: None,
            message: format!("the file is {is}; it should begin with `apiVersion: {}`", known[0]),
        }
        .into());
    };
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let (version, kind) = (text("apiVersion"), text("kind"));
    let Some(version) = version else {
        return Err(Unreadable::at_key("apiVersion", format!("missing; use {both}")));
    };
    let format = match version {
        v1alpha1::API_VERSION => Format::Own,
        kind_v1alpha4::API_VERSION => Format::Kind,
        other => {
            let what = match other.split('/').next() {
                Some("k3d.io") => "is a config of k3d, which knarr does not read".into(),
                Some("knarr.dev") => "is not a version this knarr knows".into(),
                Some("kind.x-k8s.io") => "is not the version of kind's config that knarr reads".into(),
                Some("kubeadm.k8s.io") => "is a config of kubeadm, which knarr does not read".into(),
                _ => format!("is not a config of clusters{}", did_you_mean(other, &known)),
            };
            return Err(Unreadable::at_key("apiVersion", format!("`{other}` {what}; use {both}")));
        }
    };
    match kind {
        Some(v1alpha1::KIND) => Ok(format),
        Some(other) => Err(Unreadable::at_key("kind", format!("`{other}` is unknown; use `{}`", v1alpha1::KIND))),
        None => Err(Unreadable::at_key("kind", format!("missing; use `{}`", v1alpha1::KIND))),
    }
}

/// Says in words of config files what the decoder says in words of Rust.
fn in_our_words(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((field, expected)) = rest.split_once('`')
    {
        let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return match nearest(field, &names) {
            Some(name) => format!("unknown key `{field}` (did you mean `{name}`?)"),
            None => format!("unknown key `{field}`; known here are {}", names.join(", ")),
        };
    }
    if message == "mapping values are not allowed in this context" {
        return "a key cannot stand here; check the indentation, and quote text that contains `: `".into();
    }
    let Some((got, expected)) = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return message.into();
    };
    let expected = match expected {
        "i64" => "a whole number",
        "a boolean" => "`true` or `false`",
        "a string" => "text",
        "a map" => "a mapping",
        "a sequence" => "a list",
        other => other,
    };
    let got = match got {
        "map" => "a mapping".into(),
        "sequence" => "a list".into(),
        "unit value" => "nothing".into(),
        other => other.replacen("string \"", "the text \"", 1),
    };
    format!("expected {expected}, got {got}")
}
