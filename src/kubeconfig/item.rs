//! What knarr writes into a kubeconfig: one cluster's items and the mark by which it knows them again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::yaml::{Mapping, Value};

use super::edit::List;
use super::{Entry, context_name};

/// The name of the extension that marks an item as ours.
const MARK: &str = "knarr";

/// How many earlier contexts are remembered.
const MAX_PREVIOUS: usize = 8;

/// What the extension holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The cluster to which the item belongs.
    pub(super) cluster: String,
    /// The run of `knarr create` that made the cluster.
    pub(super) create_id: String,
    /// The identity of the Docker on which it was made; empty if unknown.
    pub(super) docker: String,
    /// On contexts: the contexts that were current before this one, latest first.
    pub(super) previous: Vec<String>,
}

impl Mark {
    /// The mark on an item, if it has one.
    pub(super) fn of(list: List, item: &Value) -> Option<Self> {
        let extensions = item.get(list.content())?.get("extensions")?.as_sequence()?;
        let mark = extensions.iter().find(|e| text(e, "name") == Some(MARK))?.get("extension")?;
        let previous = mark.get("previous").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        Some(Self {
            cluster: text(mark, "cluster")?.to_owned(),
            create_id: text(mark, "createId").unwrap_or_default().to_owned(),
            docker: text(mark, "docker").unwrap_or_default().to_owned(),
            previous: previous.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// Puts `newest` before the contexts remembered by its own mark, so that the chain survives its deletion.
    pub(super) fn chain(newest: &str, older: &[String], own: &str) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        for name in std::iter::once(newest).chain(older.iter().map(String::as_str)) {
            if !name.is_empty() && name != own && !chain.iter().any(|c| c == name) && chain.len() < MAX_PREVIOUS {
                chain.push(name.to_owned());
            }
        }
        chain
    }

    fn value(&self) -> Value {
        let mut mark = mapping([("cluster", self.cluster.as_str()), ("createId", self.create_id.as_str())]);
        if !self.docker.is_empty() {
            mark.insert("docker".into(), self.docker.as_str().into());
        }
        if !self.previous.is_empty() {
            let previous = self.previous.iter().cloned().map(Value::String).collect();
            mark.insert("previous".into(), Value::Sequence(previous));
        }
        let mut extension = Mapping::new();
        extension.insert("extension".into(), Value::Mapping(mark));
        extension.insert("name".into(), MARK.into());
        Value::Mapping(extension)
    }
}

/// The text under a key of a mapping.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The item of `entry` for a list. What somebody added to `old`, such as a namespace, is kept.
pub(super) fn item(list: List, entry: &Entry, previous: Vec<String>, old: Option<&Value>) -> Value {
    let name = context_name(&entry.cluster);
    let mut content = old.and_then(|o| o.get(list.content())).and_then(Value::as_mapping).cloned().unwrap_or_default();
    let set = |content: &mut Mapping, key: &str, text: &str| content.insert(key.into(), text.into());
    match list {
        List::Clusters => {
            // These would contradict the embedded authority, and kubectl refuses some of the mixtures.
            for key in ["certificate-authority", "insecure-skip-tls-verify"] {
                content.shift_remove(key);
            }
            set(&mut content, "certificate-authority-data", &STANDARD.encode(&entry.ca_pem));
        }
        List::Contexts => {
            set(&mut content, "cluster", &name);
        }
        List::Users => {
            for key in ["client-certificate", "client-key"] {
                content.shift_remove(key);
            }
            set(&mut content, "client-certificate-data", &STANDARD.encode(&entry.client_cert_pem));
            set(&mut content, "client-key-data", &STANDARD.encode(entry.client_key_pem.as_bytes()));
        }
    }
    let (cluster, create_id, docker) = (entry.cluster.clone(), entry.create_id.clone(), entry.docker.clone());
    let mark = Mark { cluster, create_id, docker, previous };
    let extensions = content.get("extensions").and_then(Value::as_sequence).cloned().unwrap_or_default();
    content.insert("extensions".into(), Value::Sequence(marked(extensions, mark.value())));
    match list {
        List::Clusters => set(&mut content, "server", &entry.server),
        List::Contexts => set(&mut content, "user", &name),
        List::Users => None,
    };
    let mut item = old.and_then(Value::as_mapping).cloned().unwrap_or_default();
    item.insert(list.content().into(), Value::Mapping(content));
    item.insert("name".into(), name.into());
    Value::Mapping(item)
}

/// Reads an entry back from the contents of its cluster and its user.
pub(super) fn entry(mark: &Mark, cluster: &Value, user: &Value) -> Option<Entry> {
    let decoded = |value: &Value, key: &str| {
        let bytes = STANDARD.decode(text(value, key)?).ok()?;
        String::from_utf8(bytes).ok()
    };
    let (cluster, user) = (cluster.get(List::Clusters.content())?, user.get(List::Users.content())?);
    Some(Entry {
        cluster: mark.cluster.clone(),
        create_id: mark.create_id.clone(),
        docker: mark.docker.clone(),
        server: text(cluster, "server")?.to_owned(),
        ca_pem: decoded(cluster, "certificate-authority-data")?,
        client_cert_pem: decoded(user, "client-certificate-data")?,
        client_key_pem: Zeroizing::new(decoded(user, "client-key-data")?),
    })
}

fn marked(mut extensions: Vec<Value>, mark: Value) -> Vec<Value> {
    match extensions.iter_mut().find(|e| text(e, "name") == Some(MARK)) {
        Some(old) => *old = mark,
        None => extensions.push(mark),
    }
    extensions
}

fn mapping<const N: usize>(pairs: [(&str, &str); N]) -> Mapping {
    pairs.into_iter().map(|(k, v)| (Value::from(k), Value::from(v))).collect()
}
