//! The only file that names serde_yaml: parse strictly, render safely.
//!
//! The library takes duplicate keys silently in typed maps, follows aliases without a bound that fits us, and writes
//! strings such as `no` unquoted, which a YAML 1.1 reader turns into a boolean. So every text passes `Guard` first,
//! and what we write is laid out by `emit`, which quotes whatever anybody might misread.

mod emit;
mod scalar;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor,
};
pub use serde_yaml::{Mapping, Number, Value};

pub use self::scalar::is_ambiguous;

/// The largest text that [`parse`] and [`parse_value`] take.
const MAX_BYTES: usize = 1 << 20;
/// The largest text that [`documents`] takes: bundles of manifests are bigger than any config file.
const MAX_MANIFEST_BYTES: usize = 16 << 20;
/// How deep values may be nested.
const MAX_DEPTH: usize = 64;
/// How many values aliases may add to what the text itself holds.
const MAX_ALIAS_NODES: usize = 10_000;
/// How many bytes of text aliases may add to it.
const MAX_ALIAS_BYTES: usize = 16 << 20;

/// A text that is not the YAML we want, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The line, from 1; 0 where the whole text is meant.
    pub line: usize,
    /// The column, from 1; 0 where the whole text is meant.
    pub column: usize,
    /// The path of the value, such as `nodes[0].role`, where one is known.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {} column {}: ", self.line, self.column)?;
        }
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for YamlError {}

/// One document of a text that holds several.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its number among all documents of the text, from 0, empty ones counted too.
    pub index: usize,
    /// The line on which its content starts, from 1.
    pub line: usize,
    /// Its content, never null.
    pub value: Value,
}

/// Reads one document of at most 1 MiB into `T`. An empty text is an empty mapping if all fields of `T` have defaults.
///
/// # Errors
///
/// Says where the text is not YAML, does not fit `T`, has a key twice, more than one document, more than 64 levels, or
/// aliases that blow it up.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let text = admit(text, MAX_BYTES)?;
    // The library would not notice duplicate keys in typed maps; a second pass over the text keeps the positions.
    guarded(serde_yaml::Deserializer::from_str(text), text)?;
    T::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|e| explain(&e, text))
}

/// Reads one document of at most 1 MiB as it is; keys become text and merge keys (`<<`) are applied.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_value(text: &str) -> Result<Value, YamlError> {
    let text = admit(text, MAX_BYTES)?;
    let value = guarded(serde_yaml::Deserializer::from_str(text), text)?;
    merged(value)
}

/// Reads every document of a text (JSON is YAML too), without the empty ones. Manifests are written for kubectl, so
/// `0444` without quotes is the number 292, as it is there.
///
/// # Errors
///
/// As [`parse`], of the first document that is wrong.
pub fn documents(text: &str) -> Result<Vec<Document>, YamlError> {
    let text = admit(text, MAX_MANIFEST_BYTES)?;
    let values = serde_yaml::Deserializer::from_str(text);
    let starts = serde_yaml::Deserializer::from_str(text);
    let mut out = Vec::new();
    for (index, (document, start)) in values.zip(starts).enumerate() {
        let value = merged(guarded_with(document, text, Zeros::AreOctal)?)?;
        if !value.is_null() {
            out.push(Document { index, line: first_line(start), value });
        }
    }
    Ok(out)
}

/// Writes a value so that YAML 1.1 and 1.2 readers read the same.
///
/// # Panics
///
/// If `value` refuses to be serialised, which no type of this program does.
pub fn render<T: Serialize>(value: &T) -> String {
    let value = serde_yaml::to_value(value).expect("types of this program can be written as YAML");
    emit::document(&value)
}

/// Checks the size and drops a byte order mark.
fn admit(text: &str, max: usize) -> Result<&str, YamlError> {
    if text.len() > max {
        return Err(whole(format!("the text has {} bytes, more than the {max} allowed", text.len())));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn whole(message: impl Into<String>) -> YamlError {
    YamlError { line: 0, column: 0, path: None, message: message.into() }
}

fn merged(mut value: Value) -> Result<Value, YamlError> {
    value.apply_merge().map_err(|e| whole(format!("merge key `<<`: {e}")))?;
    Ok(value)
}

fn guarded(document: serde_yaml::Deserializer<'_>, text: &str) -> Result<Value, YamlError> {
    guarded_with(document, text, Zeros::AreText)
}

fn guarded_with(document: serde_yaml::Deserializer<'_>, text: &str, zeros: Zeros) -> Result<Value, YamlError> {
    let budget = Budget::for_text(text);
    Guard { text, zeros, budget: &budget, depth: 0 }.deserialize(document).map_err(|e| explain(&e, text))
}

/// What plain digits after a zero are: the two versions of YAML differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zeros {
    /// As in YAML 1.2, and as the library has it.
    AreText,
    /// As in YAML 1.1, and as kubectl has it.
    AreOctal,
}

/// The line of a document's root: the position of an error raised on purpose at its first event.
fn first_line(document: serde_yaml::Deserializer<'_>) -> usize {
    struct Stop;
    impl Visitor<'_> for Stop {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nothing")
        }
    }
    let stopped = document.deserialize_any(Stop).err();
    stopped.and_then(|e| e.location()).map_or(1, |at| at.line())
}

/// Turns the library's error into ours: position, path and message apart.
fn explain(error: &serde_yaml::Error, text: &str) -> YamlError {
    let full = error.to_string();
    if full.contains("more than one document") {
        return whole("there is more than one document (`---`) where one is expected");
    }
    if full.starts_with("EOF while parsing") {
        return whole("the document is empty");
    }
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    let message = full.replacen(&format!(" at line {line} column {column}"), "", 1);
    let here = text.lines().nth(line.saturating_sub(1)).and_then(|l| l.chars().nth(column.saturating_sub(1)));
    if line > 0 && here == Some('\t') && message.contains("cannot start any token") {
        return YamlError { line, column, path: None, message: "YAML is indented with spaces; this is a tab".into() };
    }
    // The library writes `path: message`; its messages all have a blank before their first colon.
    match message.split_once(": ") {
        Some((path, rest)) if !path.is_empty() && !path.contains([' ', '`']) => {
            YamlError { line, column, path: Some(path.into()), message: rest.into() }
        }
        _ => YamlError { line, column, path: None, message },
    }
}

/// How much may still be read: aliases make small texts arbitrarily large.
struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    /// No text holds more than two values or bytes for each of its own bytes, so only aliases can exhaust this.
    fn for_text(text: &str) -> Self {
        Self { nodes: Cell::new(text.len() * 2 + MAX_ALIAS_NODES), bytes: Cell::new(text.len() * 2 + MAX_ALIAS_BYTES) }
    }

    /// Takes one node and its text off.
    fn spend<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        match (self.nodes.get().checked_sub(1), self.bytes.get().checked_sub(text.len())) {
            (Some(nodes), Some(bytes)) => {
                self.nodes.set(nodes);
                self.bytes.set(bytes);
                Ok(())
            }
            _ => Err(E::custom(format!(
                "aliases add more than {MAX_ALIAS_NODES} values or {} MiB of text",
                MAX_ALIAS_BYTES >> 20
            ))),
        }
    }
}

/// Builds a [`Value`] while refusing what the library lets pass. Errors raised here get the position of the node.
#[derive(Clone, Copy)]
struct Guard<'a> {
    /// What is read.
    text: &'a str,
    zeros: Zeros,
    budget: &'a Budget,
    depth: usize,
}

impl Guard<'_> {
    fn take<E: serde::de::Error>(self, scalar: impl Into<Value>) -> Result<Value, E> {
        self.budget.spend("")?;
        Ok(scalar.into())
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.budget.spend("")?;
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// Whether a scalar that lies in the text stands there without quotes and without a tag.
    fn is_plain(self, scalar: &str) -> bool {
        let start = scalar.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        let before = start.and_then(|at| self.text.get(..at)).unwrap_or_default();
        let tagged = before.split_whitespace().next_back().is_some_and(|word| word.starts_with('!'));
        !before.ends_with(['"', '\'']) && !tagged
    }
}

impl<'de> DeserializeSeed<'de> for Guard<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Guard<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number up to 64 bits, a boolean, a list or a mapping")
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Value, E> {
        self.take(v)
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Value, E> {
        self.take(v)
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Value, E> {
        self.take(v)
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        self.take(v)
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Value, E> {
        self.budget.spend(v)?;
        Ok(v.into())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, v: &'de str) -> Result<Value, E> {
        match scalar::octal(v).filter(|_| self.zeros == Zeros::AreOctal && self.is_plain(v)) {
            Some(number) => self.take(number),
            None => self.visit_str(v),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.take(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Value::Sequence(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        let mut out = Mapping::new();
        while let Some(key) = entries.next_key_seed(Key { budget: self.budget, seen: &mut seen })? {
            out.insert(key.into(), entries.next_value_seed(inner)?);
        }
        Ok(Value::Mapping(out))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("tags (`!name`) are not supported; quote the text if it starts with `!`"))
    }
}

/// A key of a mapping: text as written, and not seen before.
struct Key<'a> {
    budget: &'a Budget,
    seen: &'a mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        self.budget.spend(key)?;
        if self.seen.insert(key.into()) {
            Ok(key.into())
        } else {
            Err(E::custom(format!("the key `{key}` is there twice")))
        }
    }
}
