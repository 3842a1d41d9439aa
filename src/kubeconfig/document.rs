//! One kubeconfig file in memory: pure reading, merging and removing.

use crate::yaml::{self, Mapping, Value};

use super::edit::{self, Edit, List};
use super::item::{self, Mark, text};
use super::{Entry, context_name};

/// The largest kubeconfig that is read.
pub(super) const MAX_BYTES: usize = 1 << 20;

const CURRENT: &str = "current-context";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A kubeconfig, with everything in it that knarr does not know. It holds credentials, so it has no `Debug`.
#[derive(Clone)]
pub struct Document {
    text: String,
    has_mark: bool,
    mapping: Mapping,
}

/// Why some bytes are not a kubeconfig. Says where, and never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The line, from 1, if one is to blame.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub what: &'static str,
}

impl std::fmt::Display for Defect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// Why a cluster cannot be merged into a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// This list has an item of our name that is not marked as ours.
    Foreign(&'static str),
    /// This list has two items of one name, so that kubectl refuses the whole file.
    Duplicate(&'static str),
    /// The file is laid out so strangely that no safe edit was found.
    Layout,
}

/// A changed document.
pub struct Changed {
    /// The new content.
    pub document: Document,
    /// Whether comments and layout were lost, because the old ones could not be edited.
    pub rewritten: bool,
}

impl Document {
    /// Reads a kubeconfig. Nothing at all, or only comments, is an empty one.
    ///
    /// # Errors
    ///
    /// If it is too big, not UTF-8, not YAML, has a key twice, or is not of the shape that kubectl reads.
    pub fn parse(bytes: &[u8]) -> Result<Self, Defect> {
        let whole = |what| Defect { line: None, what };
        if bytes.len() > MAX_BYTES {
            return Err(whole("it is larger than 1 MiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| Defect {
            line: Some(1 + String::from_utf8_lossy(&bytes[..e.valid_up_to()]).matches('\n').count()),
            what: "not UTF-8 text",
        })?;
        let (has_mark, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let value = yaml::parse_value(text).map_err(|e| Defect {
            line: (e.line > 0).then_some(e.line),
            what: "not valid YAML (or a key twice, or more than one document)",
        })?;
        let mapping = match value {
            Value::Null => Mapping::new(),
            Value::Mapping(mapping) => mapping,
            _ => return Err(whole("its top level is not a mapping")),
        };
        check_shape(&mapping).map_err(whole)?;
        Ok(Self { text: text.to_owned(), has_mark, mapping })
    }

    /// The content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mark = if self.has_mark { BYTE_ORDER_MARK } else { "" };
        format!("{mark}{}", self.text).into_bytes()
    }

    /// The context in use, if one is set.
    pub fn current_context(&self) -> Option<&str> {
        self.mapping.get(CURRENT)?.as_str().filter(|name| !name.is_empty())
    }

    /// Whether there is a context of that name, whoever made it.
    pub fn has_context(&self, name: &str) -> bool {
        self.named(List::Contexts, name).next().is_some()
    }

    /// The clusters that have marked entries here, in order.
    pub fn clusters(&self) -> Vec<String> {
        let items = edit::items(&self.mapping, List::Clusters);
        items.iter().filter_map(|i| Mark::of(List::Clusters, i)).map(|m| m.cluster).collect()
    }

    /// Every mark on an item that has its cluster's name, without repetitions.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        for list in List::ALL {
            for item in edit::items(&self.mapping, list) {
                let Some(mark) = Mark::of(list, item) else { continue };
                let name = context_name(&mark.cluster);
                let known = marks.iter().any(|m| (&m.cluster, &m.create_id) == (&mark.cluster, &mark.create_id));
                if !known && text(item, "name") == Some(&name) {
                    marks.push(mark);
                }
            }
        }
        marks
    }

    /// The entry of a cluster, if all of it is here and readable.
    pub fn entry(&self, cluster: &str) -> Option<Entry> {
        let name = context_name(cluster);
        let (mark, _, found) = self.owned(List::Clusters, cluster).next()?;
        let (_, user) = self.named(List::Users, &name).next()?;
        item::entry(&mark, found, user)
    }

    /// The contexts that were current before the cluster's own, latest first.
    pub fn previous_contexts(&self, cluster: &str) -> Vec<String> {
        self.owned(List::Contexts, cluster).next().map(|(mark, ..)| mark.previous).unwrap_or_default()
    }

    /// Says what would keep a cluster from being merged.
    ///
    /// # Errors
    ///
    /// The obstacle.
    pub fn check(&self, cluster: &str) -> Result<(), Obstacle> {
        let name = context_name(cluster);
        for list in List::ALL {
            if self.named(list, &name).count() > self.owned(list, cluster).count() {
                return Err(Obstacle::Foreign(list.key()));
            }
            let mut names: Vec<&str> = edit::items(&self.mapping, list)
                .iter()
                .map(|i| text(i, "name").unwrap_or_default())
                .filter(|n| *n != name)
                .collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(Obstacle::Duplicate(list.key()));
            }
        }
        Ok(())
    }

    /// Puts a cluster in, or brings it up to date. `switch` makes it current. `None` if nothing has to change.
    ///
    /// # Errors
    ///
    /// The obstacle, as from [`Document::check`].
    pub fn merge(&self, entry: &Entry, switch: bool) -> Result<Option<Changed>, Obstacle> {
        self.check(&entry.cluster)?;
        let name = context_name(&entry.cluster);
        let current = self.current_context().unwrap_or_default();
        let switches = switch && current != name;
        let previous = if switches {
            let older = self.named(List::Contexts, current).find_map(|(_, i)| Mark::of(List::Contexts, i));
            Mark::chain(current, &older.map(|m| m.previous).unwrap_or_default(), &name)
        } else {
            self.previous_contexts(&entry.cluster)
        };
        let mut edits = Vec::new();
        edits.extend(self.set_if_missing("apiVersion", "v1"));
        for list in List::ALL {
            if list == List::Users {
                edits.extend(switches.then(|| Edit::Set { key: CURRENT, text: name.clone() }));
                edits.extend(self.set_if_missing("kind", "Config"));
            }
            let previous = if list == List::Contexts { previous.clone() } else { Vec::new() };
            let mut ours = self.owned(list, &entry.cluster);
            let first = ours.next();
            let item = item::item(list, entry, previous, first.as_ref().map(|(_, _, old)| *old));
            match first {
                Some((_, _, old)) if *old == item => {}
                Some((_, at, _)) => edits.push(Edit::Put { list, at: Some(at), item }),
                None => edits.push(Edit::Put { list, at: None, item }),
            }
            let surplus: Vec<usize> = ours.map(|(_, at, _)| at).collect();
            edits.extend(surplus.into_iter().rev().map(|at| Edit::Drop { list, at }));
        }
        self.apply(edits)
    }

    /// Takes a cluster's marked items out; `create_id` restricts this to those of one run. If the cluster is the
    /// current context, `successor` becomes it (empty for none). `None` if nothing has to change.
    ///
    /// # Errors
    ///
    /// [`Obstacle::Layout`] only.
    pub fn remove(
        &self,
        cluster: &str,
        create_id: Option<&str>,
        successor: Option<&str>,
    ) -> Result<Option<Changed>, Obstacle> {
        let mut edits = Vec::new();
        for list in List::ALL {
            let ours = self.owned(list, cluster).filter(|(mark, ..)| create_id.is_none_or(|id| mark.create_id == id));
            let places: Vec<usize> = ours.map(|(_, at, _)| at).collect();
            edits.extend(places.into_iter().rev().map(|at| Edit::Drop { list, at }));
        }
        if let Some(successor) = successor
            && self.current_context() == Some(context_name(cluster).as_str())
        {
            edits.push(Edit::Set { key: CURRENT, text: successor.to_owned() });
        }
        self.apply(edits)
    }

    fn apply(&self, edits: Vec<Edit>) -> Result<Option<Changed>, Obstacle> {
        if edits.is_empty() {
            return Ok(None);
        }
        let edited = edit::apply(&self.text, self.mapping.clone(), edits).ok_or(Obstacle::Layout)?;
        let document = Self { text: edited.text, has_mark: self.has_mark, mapping: edited.mapping };
        Ok(Some(Changed { document, rewritten: edited.rewritten }))
    }

    fn set_if_missing(&self, key: &'static str, text: &str) -> Option<Edit> {
        let missing = self.mapping.get(key).and_then(Value::as_str).is_none_or(str::is_empty);
        missing.then(|| Edit::Set { key, text: text.to_owned() })
    }

    fn named(&self, list: List, name: &str) -> impl Iterator<Item = (usize, &Value)> {
        edit::items(&self.mapping, list).iter().enumerate().filter(move |(_, i)| text(i, "name") == Some(name))
    }

    /// The items that have the cluster's name and its mark.
    fn owned(&self, list: List, cluster: &str) -> impl Iterator<Item = (Mark, usize, &Value)> {
        let name = context_name(cluster);
        let items = edit::items(&self.mapping, list).iter().enumerate();
        items.filter(move |(_, i)| text(i, "name") == Some(&name)).filter_map(move |(at, item)| {
            Mark::of(list, item).filter(|mark| mark.cluster == cluster).map(|mark| (mark, at, item))
        })
    }
}

/// The shapes without which kubectl refuses the file.
fn check_shape(mapping: &Mapping) -> Result<(), &'static str> {
    let text_or_nothing = |key: &str| mapping.get(key).is_none_or(|v| v.is_null() || v.is_string());
    let is =
        |key: &str, wanted: &str| mapping.get(key).and_then(Value::as_str).is_none_or(|v| v.is_empty() || v == wanted);
    if !text_or_nothing("apiVersion") || !text_or_nothing("kind") || !is("apiVersion", "v1") || !is("kind", "Config") {
        return Err("it is not of `apiVersion: v1` and `kind: Config`");
    }
    if !text_or_nothing(CURRENT) {
        return Err("`current-context` is not text");
    }
    for (list, not_a_list, not_items) in [
        (List::Clusters, "`clusters` is not a list", "`clusters` holds something other than mappings"),
        (List::Contexts, "`contexts` is not a list", "`contexts` holds something other than mappings"),
        (List::Users, "`users` is not a list", "`users` holds something other than mappings"),
    ] {
        match mapping.get(list.key()) {
            None | Some(Value::Null) => {}
            Some(Value::Sequence(items)) if items.iter().all(|i| i.is_mapping() || i.is_null()) => {}
            Some(Value::Sequence(_)) => return Err(not_items),
            Some(_) => return Err(not_a_list),
        }
    }
    Ok(())
}
