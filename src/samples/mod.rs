//! The embedded samples: plain YAML, each opening with what it shows and with commands to watch it by.
//!
//! The opening comment is read by people, by `knarr sample`, and by the test that runs every command in it:
//!
//! ```text
//! # The title: what it shows, in one line.
//! #
//! # Needs addon: ingress
//! #
//! # What to watch: a paragraph or more.
//! #
//! #   $ kubectl -n sample-x get pods
//! #   what is in its answer
//! ```

pub mod works;

use include_dir::{Dir, include_dir};
use serde_json::Value;

use crate::config::nearest;
use crate::error::{Error, ErrorKind, Result};
use crate::yaml;

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/manifests/samples");

/// The label of every object of a sample: the sample's name, with a dot for a slash.
pub const LABEL: &str = "dev.knarr.sample";
/// Before the names of those that are broken on purpose.
pub const BROKEN: &str = "broken/";
/// The order in which one learns; others come after these.
const ORDER: [&str; 15] = [
    "hello",
    "pod",
    "replicaset",
    "deployment",
    "service",
    "load-balancer",
    "ingress",
    "namespaces-quota",
    "config-secret",
    "volumes",
    "statefulset",
    "hpa",
    "network-policy",
    "application",
    "tour",
];

/// One sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// The whole file.
    pub text: &'static str,
}

/// Something to type, and what is in the answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The command line.
    pub command: String,
    /// Each is words that stand in one line of the answer, in this order. `Error:` means that the command fails.
    pub answer: Vec<String>,
}

/// Every sample, in the order of learning; the broken ones last.
pub fn all() -> Vec<Sample> {
    let mut found = Vec::new();
    collect(&FOLDER, &mut found);
    found.sort_by_key(|sample: &Sample| {
        let place = ORDER.iter().position(|name| *name == sample.name);
        (sample.is_broken(), place.unwrap_or(ORDER.len()), sample.name.clone())
    });
    found
}

fn collect(folder: &'static Dir<'static>, into: &mut Vec<Sample>) {
    into.extend(folder.files().filter_map(|file| {
        let name = file.path().to_str()?.strip_suffix(".yaml")?.to_owned();
        Some(Sample { name, text: file.contents_utf8()? })
    }));
    for folder in folder.dirs() {
        collect(folder, into);
    }
}

/// The sample of that name, or an error that suggests one.
pub fn find(name: &str) -> Result<Sample> {
    let all = all();
    let names: Vec<String> = all.iter().map(|sample| sample.name.clone()).collect();
    all.into_iter().find(|sample| sample.name == name).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let error = Error::new(ErrorKind::NotFound, format!("there is no sample `{name}`"));
        match nearest(name, &names) {
            Some(near) => error.hint(format!("did you mean `{near}`? See all with `knarr sample list`")),
            None => error.hint("see all with `knarr sample list`"),
        }
    })
}

impl Sample {
    /// Whether it is broken on purpose.
    pub fn is_broken(&self) -> bool {
        self.name.starts_with(BROKEN)
    }

    /// What it shows, in one line.
    pub fn title(&self) -> &'static str {
        self.opening().next().unwrap_or_default()
    }

    /// The addons without which it cannot be seen to work.
    pub fn addons(&self) -> Vec<&'static str> {
        self.opening().filter_map(|line| line.strip_prefix("Needs addon: ")).collect()
    }

    /// The opening without the title and without what it needs: what to watch.
    pub fn watch(&self) -> String {
        let lines: Vec<&str> = self.opening().skip(1).filter(|line| !line.starts_with("Needs addon: ")).collect();
        lines.join("\n").trim_matches('\n').to_owned()
    }

    /// What to type, one after the other.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.opening().filter_map(|line| line.strip_prefix("  ")) {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), answer: Vec::new() }),
                (None, Some(step)) => step.answer.push(line.to_owned()),
                (None, None) => {}
            }
        }
        steps
    }

    /// The lines of the comment that the file opens with.
    fn opening(&self) -> impl Iterator<Item = &'static str> + use<> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix('#'));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line))
    }

    /// The value of [`LABEL`] on its objects.
    pub fn label(&self) -> String {
        self.name.replace('/', ".")
    }

    /// Its objects, in the order of the file, labelled.
    pub fn objects(&self) -> Result<Vec<Value>> {
        let broken = |why: String| {
            Error::new(ErrorKind::Bug, format!("the embedded sample `{}` cannot be read", self.name)).cause(why)
        };
        let labelled = |document: yaml::Document| {
            let mut object = serde_json::to_value(document.value).map_err(|e| broken(e.to_string()))?;
            object["metadata"]["labels"][LABEL] = self.label().into();
            Ok(object)
        };
        yaml::documents(self.text).map_err(|e| broken(e.to_string()))?.into_iter().map(labelled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_says_what_it_shows_and_how_to_watch_it() {
        let all = all();
        assert!(all.len() >= ORDER.len());
        for name in ORDER {
            assert!(all.iter().any(|sample| sample.name == name), "there is no {name}");
        }
        for sample in &all {
            let name = &sample.name;
            assert!(sample.is_broken() || ORDER.contains(&name.as_str()), "{name} has no place in the order");
            assert!(sample.title().ends_with('.') && sample.title().len() < 120, "{name}: {}", sample.title());
            let objects = sample.objects().expect("it parses");
            assert!(!objects.is_empty(), "{name}");
            for object in objects {
                assert!(object["kind"].is_string() && object["metadata"]["name"].is_string(), "{name}: {object}");
            }
            if !sample.is_broken() {
                assert!(sample.watch().starts_with("What to watch"), "{name}: {}", sample.watch());
                assert!(sample.steps().iter().any(|step| !step.answer.is_empty()), "{name}");
            }
        }
    }

    #[test]
    fn every_object_stands_in_a_namespace_of_its_sample() {
        // Then a deletion of the namespaces leaves nothing, and two samples do not meet.
        let mut seen = std::collections::BTreeSet::new();
        for sample in all() {
            let objects = sample.objects().expect("it parses");
            let is_namespace = |object: &&Value| object["kind"] == "Namespace";
            let own: Vec<&Value> = objects.iter().filter(is_namespace).map(|o| &o["metadata"]["name"]).collect();
            for name in &own {
                assert!(seen.insert(name.to_string()), "{}: {name} is another sample's", sample.name);
            }
            for object in
                objects.iter().filter(|o| !["Namespace", "PersistentVolume"].map(Some).contains(&o["kind"].as_str()))
            {
                assert!(own.contains(&&object["metadata"]["namespace"]), "{}: {object}", sample.name);
            }
        }
    }

    #[test]
    fn the_opening_is_understood() {
        let text = "# A thing.\n#\n# Needs addon: ingress\n#\n# What to watch: it.\n#\n#   $ one 'a b'\n#   x y\n#   z\n#   $ two\nkind: X\n# no more\n";
        let sample = Sample { name: "broken/thing".into(), text };
        assert_eq!((sample.title(), sample.addons()), ("A thing.", vec!["ingress"]));
        assert!(sample.is_broken());
        assert_eq!(sample.label(), "broken.thing");
        assert!(sample.watch().starts_with("What to watch: it.\n\n  $ one"), "{}", sample.watch());
        let step = |command: &str, answer: &[&str]| Step {
            command: command.into(),
            answer: answer.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(sample.steps(), [step("one 'a b'", &["x y", "z"]), step("two", &[])]);
    }

    #[test]
    fn a_mistyped_name_is_understood() {
        let error = find("deploymnet").expect_err("there is none");
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.hints[0].contains("`deployment`"), "{error}");
    }
}
