//! Edits of a kubeconfig as data, carried out twice: on the values, which is certain, and on the text, which keeps
//! comments and layout. The text counts only if it then parses to exactly the edited values.

use crate::yaml::{self, Mapping, Value};

use super::lines::Lines;

/// The three lists of a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Where clusters are.
    Clusters,
    /// Which user goes to which cluster.
    Contexts,
    /// Who one can be.
    Users,
}

impl List {
    /// In the order in which kubectl writes them.
    pub(super) const ALL: [Self; 3] = [Self::Clusters, Self::Contexts, Self::Users];

    /// The list's key in the document.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Contexts => "contexts",
            Self::Users => "users",
        }
    }

    /// The key of an item's content.
    pub(super) const fn content(self) -> &'static str {
        match self {
            Self::Clusters => "cluster",
            Self::Contexts => "context",
            Self::Users => "user",
        }
    }
}

/// One change. Positions are those at the moment of the change.
pub(super) enum Edit {
    /// Replaces the item at a position, or appends one.
    Put {
        /// The list.
        list: List,
        /// The position, or the end.
        at: Option<usize>,
        /// The whole item.
        item: Value,
    },
    /// Takes an item out.
    Drop {
        /// The list.
        list: List,
        /// The position.
        at: usize,
    },
    /// Sets a top-level text.
    Set {
        /// The key.
        key: &'static str,
        /// Its value.
        text: String,
    },
}

/// A text with its meaning.
pub(super) struct Edited {
    /// What to write, without byte order mark.
    pub(super) text: String,
    /// What it means.
    pub(super) mapping: Mapping,
    /// Whether the text had to be laid out anew.
    pub(super) rewritten: bool,
}

/// Carries out `edits`. `None` if no text can be made that means what it should.
pub(super) fn apply(text: &str, mapping: Mapping, edits: Vec<Edit>) -> Option<Edited> {
    let mut lines = Some(Lines::of(text));
    let mut mapping = mapping;
    for edit in edits {
        lines = lines.and_then(|lines| edit_text(lines, &mapping, &edit));
        edit_value(&mut mapping, edit);
    }
    let means_it = |text: &String| yaml::parse_value(text).is_ok_and(|v| v.as_mapping() == Some(&mapping));
    let edited = lines.map(|l| l.join()).filter(means_it);
    let rewritten = edited.is_none();
    let text = edited.or_else(|| Some(lay_out(text, &mapping)).filter(means_it))?;
    Some(Edited { text, mapping, rewritten })
}

/// The items of a list; none where it is missing or null.
pub(super) fn items(mapping: &Mapping, list: List) -> &[Value] {
    mapping.get(list.key()).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

fn edit_text(mut lines: Lines, mapping: &Mapping, edit: &Edit) -> Option<Lines> {
    match edit {
        Edit::Put { list, at, item } => lines.put(list.key(), items(mapping, *list).len(), *at, item)?,
        Edit::Drop { list, at } => lines.drop_item(list.key(), items(mapping, *list).len(), *at)?,
        Edit::Set { key, text } => lines.set(key, text)?,
    }
    Some(lines)
}

fn edit_value(mapping: &mut Mapping, edit: Edit) {
    match edit {
        Edit::Put { list, at, item } => {
            let mut items = items(mapping, list).to_vec();
            match at.and_then(|at| items.get_mut(at)) {
                Some(old) => *old = item,
                None => items.push(item),
            }
            mapping.insert(list.key().into(), Value::Sequence(items));
        }
        Edit::Drop { list, at } => {
            let mut items = items(mapping, list).to_vec();
            items.remove(at);
            mapping.insert(list.key().into(), Value::Sequence(items));
        }
        Edit::Set { key, text } => {
            mapping.insert(key.into(), Value::String(text));
        }
    }
}

/// Writes the whole value anew: JSON stays JSON, and line ends stay what they were.
fn lay_out(old: &str, value: &Mapping) -> String {
    let is_json = old.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(old).is_ok();
    let json = if is_json { serde_json::to_string_pretty(value).ok() } else { None };
    let text = json.map_or_else(|| yaml::render(value), |json| json + "\n");
    if old.contains("\r\n") { text.replace('\n', "\r\n") } else { text }
}
