//! Manifests that a person wrote: read and understood as a whole before anything is touched.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::fs;
use crate::kubernetes::objects;
use crate::yaml::{self, Document, YamlError};

/// The endings of the files of a folder that are manifests.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// What a server writes into objects and refuses, or misreads, when it gets it back.
const SERVERS_OWN: [&str; 4] = ["managedFields", "resourceVersion", "uid", "creationTimestamp"];

/// One object and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The object.
    pub object: Value,
    /// `app.yaml:12 (document 2)`
    pub origin: String,
}

/// The text of a file, or of every manifest in a folder, each with the name that messages call it by.
pub fn texts(path: &Path) -> Result<Vec<(String, String)>> {
    let files = match fs::facts(path)?.map(|facts| facts.kind) {
        Some(fs::Kind::Folder) => {
            let manifest = |path: &Path| path.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known));
            fs::list(path)?.into_iter().filter(|path| manifest(path)).collect()
        }
        _ => vec![path.to_owned()],
    };
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Config, format!("folder `{}` has no manifest in it", path.display()))
            .cause(format!("no file ends in .{}", ENDINGS.join(", ."))));
    }
    files.into_iter().map(|file| Ok((file.display().to_string(), fs::read_to_string(&file)?))).collect()
}

/// Every object of some texts, lists opened, or everything that is wrong with them.
pub fn parse(texts: &[(String, String)]) -> Result<Vec<Written>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (name, text) in texts {
        match yaml::documents(text) {
            Ok(documents) => documents.into_iter().for_each(|d| open(name, d, &mut found, &mut problems)),
            Err(e) => problems.push(broken(name, text, &e)),
        }
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for Written { object, origin } in &found {
        let who = format!("{} of `{}`", objects::describe(object), objects::group_version(object).0);
        match seen.get(&who) {
            Some(first) => problems.push(format!("{origin}: {} is written at {first} too", objects::describe(object))),
            None => _ = seen.insert(who, origin),
        }
    }
    if problems.is_empty() {
        return Ok(found);
    }
    let number = if problems.len() == 1 { "1 problem".into() } else { format!("{} problems", problems.len()) };
    Err(Error::new(ErrorKind::Config, format!("the manifests have {number}")).details(problems))
}

/// A text that is not YAML, as `file:line:column (document n): why`.
fn broken(name: &str, text: &str, error: &YamlError) -> String {
    let YamlError { line, column, path, message } = error;
    let path = path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    if *line == 0 {
        return format!("{name}: {path}{message}");
    }
    let before = text.lines().take(line.saturating_sub(1));
    // A separator at the very beginning separates nothing.
    let separators = before.skip_while(|l| l.starts_with('#') || l.trim().is_empty()).skip(1);
    let document = 1 + separators.filter(|l| l.starts_with("---")).count();
    format!("{name}:{line}:{column} (document {document}): {path}{message}")
}

/// Takes the objects out of one document.
fn open(name: &str, document: Document, found: &mut Vec<Written>, problems: &mut Vec<String>) {
    let origin = format!("{name}:{} (document {})", document.line, document.index + 1);
    let object = match serde_json::to_value(document.value) {
        Ok(object) => object,
        Err(e) => return problems.push(format!("{origin}: {e}")),
    };
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    match (kind.strip_suffix("List"), object["items"].as_array()) {
        (Some(of), Some(items)) => {
            for (i, item) in items.iter().enumerate() {
                let mut item = item.clone();
                // The items of a list of one kind may leave out what the list says.
                if !of.is_empty() && item.is_object() && item["kind"].is_null() {
                    item["kind"] = of.into();
                    item["apiVersion"] = object["apiVersion"].clone();
                }
                take(format!("{origin}, items[{i}]"), item, found, problems);
            }
        }
        _ => take(origin, object, found, problems),
    }
}

/// Takes one object, or says why it is none.
fn take(origin: String, mut object: Value, found: &mut Vec<Written>, problems: &mut Vec<String>) {
    if !object.is_object() {
        return problems.push(format!("{origin}: an object is a mapping that begins with `apiVersion` and `kind`"));
    }
    let metadata = &object["metadata"];
    let mut wrong = Vec::new();
    let mut text = |path: &str, value: &Value| {
        let fine = value.as_str().is_some_and(|text| !text.is_empty());
        if !fine {
            wrong.push(format!("`{path}` {}", if value.is_null() { "is missing" } else { "must be text" }));
        }
    };
    text("apiVersion", &object["apiVersion"]);
    text("kind", &object["kind"]);
    if metadata["name"].is_null() && !metadata["generateName"].is_null() {
        wrong.push("`metadata.generateName` makes another object each time; give it a `name`".to_owned());
    } else {
        text("metadata.name", &metadata["name"]);
    }
    if !(metadata["namespace"].is_null() || metadata["namespace"].is_string()) {
        wrong.push("`metadata.namespace` must be text".to_owned());
    }
    if !wrong.is_empty() {
        return problems.extend(wrong.into_iter().map(|why| format!("{origin}: {why}")));
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in SERVERS_OWN {
            metadata.remove(key);
        }
    }
    if let Some(whole) = object.as_object_mut() {
        whole.remove("status");
    }
    found.push(Written { object, origin });
}

/// The images that objects run, each once.
pub fn images(written: &[Written]) -> Vec<String> {
    let mut images = std::collections::BTreeSet::new();
    for Written { object, .. } in written {
        collect_images(object, &mut images);
    }
    images.into_iter().collect()
}

fn collect_images(value: &Value, images: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if matches!(key.as_str(), "containers" | "initContainers") {
                    let named = value.as_array().into_iter().flatten().filter_map(|c| c["image"].as_str());
                    images.extend(named.map(str::to_owned));
                } else {
                    collect_images(value, images);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_images(item, images)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Vec<Written>> {
        parse(&[("app.yaml".to_owned(), text.to_owned())])
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let broken = ("a.yaml".to_owned(), "# a\nkind: A\n---\nb: [\n".to_owned());
        let wrong = "---\napiVersion: v1\nkind: ConfigMap\n---\n\n- 1\n---\nkind: Pod\nmetadata: {name: 3}\n";
        let error = parse(&[broken, ("b.yaml".to_owned(), wrong.to_owned())]).expect_err("nothing of it is right");
        let (first, rest) = error.details.split_first().expect("there are problems");
        assert!(first.starts_with("a.yaml:") && first.contains("(document 2)"), "{first}");
        assert_eq!(
            rest,
            [
                "b.yaml:2 (document 1): `metadata.name` is missing",
                "b.yaml:6 (document 2): an object is a mapping that begins with `apiVersion` and `kind`",
                "b.yaml:8 (document 3): `apiVersion` is missing",
                "b.yaml:8 (document 3): `metadata.name` must be text",
            ]
        );
    }

    #[test]
    fn lists_are_opened_and_what_a_server_wrote_is_dropped() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a, uid: x}, status: {}}\n\
                    ---\napiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: b}}]\n";
        let found = one(text).expect("fine");
        let shown: Vec<String> = found.iter().map(|w| format!("{} {}", w.object, w.origin)).collect();
        assert_eq!(
            shown,
            [
                r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}} app.yaml:1 (document 1), items[0]"#,
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}} app.yaml:6 (document 2), items[0]"#,
            ]
        );
    }

    #[test]
    fn one_object_is_written_once() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n";
        let error = one(text).expect_err("twice is once too often");
        assert_eq!(error.details, ["app.yaml:5 (document 2): Secret a is written at app.yaml:1 (document 1) too"]);
    }

    #[test]
    fn images_are_found_wherever_pods_are_described() {
        let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {spec: \
                    {initContainers: [{image: b}], containers: [{image: a}, {image: b}]}}}}}\n";
        assert_eq!(images(&one(text).expect("fine")), ["a", "b"]);
    }
}
