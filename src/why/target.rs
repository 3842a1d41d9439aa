//! What is asked about: kinds under all the names that kubectl knows, and the words of the command line.

use crate::config::suggest;
use crate::error::{Error, ErrorKind, Result};

/// A kind, its name in sentences and commands, and its other names.
const KINDS: [(&str, &str, &[&str]); 12] = [
    ("Pod", "pod", &["pods", "po"]),
    ("Deployment", "deployment", &["deployments", "deploy", "deployments.apps", "deployment.apps"]),
    ("ReplicaSet", "replicaset", &["replicasets", "rs", "replicasets.apps", "replicaset.apps"]),
    ("StatefulSet", "statefulset", &["statefulsets", "sts", "statefulsets.apps", "statefulset.apps"]),
    ("DaemonSet", "daemonset", &["daemonsets", "ds", "daemonsets.apps", "daemonset.apps"]),
    ("Job", "job", &["jobs", "jobs.batch", "job.batch"]),
    ("Service", "service", &["services", "svc"]),
    ("Ingress", "ingress", &["ingresses", "ing", "ingresses.networking.k8s.io", "ingress.networking.k8s.io"]),
    ("PersistentVolumeClaim", "pvc", &["persistentvolumeclaim", "persistentvolumeclaims", "pvcs", "claim"]),
    ("HorizontalPodAutoscaler", "hpa", &["horizontalpodautoscaler", "horizontalpodautoscalers", "hpas"]),
    ("Node", "node", &["nodes", "no"]),
    ("Namespace", "namespace", &["namespaces", "ns"]),
];

/// Every kind that can be asked about, in the order in which a bare name is looked for.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, ..)| *kind)
}

/// A kind's name in commands: `deployment`.
pub fn short(kind: &str) -> String {
    KINDS
        .iter()
        .find(|(full, ..)| *full == kind)
        .map_or_else(|| kind.to_lowercase(), |(_, short, _)| (*short).to_owned())
}

/// Whether objects of a kind live in no namespace.
pub fn is_global(kind: &str) -> bool {
    matches!(kind, "Node" | "Namespace")
}

fn kind_of(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    KINDS.iter().find(|(_, short, others)| *short == word || others.contains(&word.as_str())).map(|(kind, ..)| *kind)
}

/// What a person asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything in the namespace, or in the cluster.
    Everything,
    /// Every object of a kind.
    All(&'static str),
    /// One object.
    One(&'static str, String),
    /// An object of whatever kind that has this name.
    Called(String),
}

/// Reads `KIND/NAME`, `KIND NAME`, `KIND` or `NAME`.
pub fn parse(words: &[String]) -> Result<Target> {
    let unknown = |word: &str| {
        let names: Vec<&str> =
            KINDS.iter().flat_map(|(_, short, others)| [*short, others.first().copied().unwrap_or(short)]).collect();
        let shorts: Vec<&str> = KINDS.iter().map(|(_, short, _)| *short).collect();
        let error = Error::new(
            ErrorKind::Usage,
            format!("`{word}` is not a kind that `knarr why` knows{}", suggest::did_you_mean(word, &names)),
        );
        error.hint(format!("ask about {}, or about everything with `knarr why -A`", suggest::one_of(&shorts)))
    };
    let one = |kind: &str, name: &str| match (kind_of(kind), name) {
        (_, "") => Err(Error::new(ErrorKind::Usage, format!("`{kind}/` names no object"))
            .hint(format!("ask with `knarr why {kind}/NAME`"))),
        (Some(kind), name) => Ok(Target::One(kind, name.to_owned())),
        (None, _) => Err(unknown(kind)),
    };
    match words {
        [] => Ok(Target::Everything),
        [word] => match (word.split_once('/'), kind_of(word)) {
            (Some((kind, name)), _) => one(kind, name),
            (None, Some(kind)) => Ok(Target::All(kind)),
            (None, None) => Ok(Target::Called(word.clone())),
        },
        [kind, name, ..] => one(kind, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Target> {
        parse(&words.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_way_to_name_an_object() {
        let web = Target::One("Deployment", "web".into());
        for words in ["deploy/web", "deployment web", "Deployments/web", "deployments.apps/web"] {
            assert_eq!(parsed(words).expect(words), web);
        }
        assert_eq!(parsed("").expect("nothing"), Target::Everything);
        assert_eq!(parsed("web").expect("a name"), Target::Called("web".into()));
        assert_eq!(parsed("po").expect("a kind"), Target::All("Pod"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        insta::assert_snapshot!(parsed("deplyoment/web").expect_err("no kind"), @"
        error: `deplyoment` is not a kind that `knarr why` knows (did you mean `deployment`?)
        hint: ask about `pod`, `deployment`, `replicaset`, `statefulset`, `daemonset`, `job`, `service`, `ingress`, `pvc`, `hpa`, `node` or `namespace`, or about everything with `knarr why -A`
        ");
        insta::assert_snapshot!(parsed("pod/").expect_err("no name"), @"
        error: `pod/` names no object
        hint: ask with `knarr why pod/NAME`
        ");
    }
}
