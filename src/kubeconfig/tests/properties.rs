//! What holds for every kubeconfig.

use proptest::prelude::*;

use super::generate::{kubeconfig, soup};
use super::{entry, merged, parse, removed, text};
use crate::kubeconfig::Document;
use crate::yaml::{self, Mapping, Value};

/// The meaning of a kubeconfig with what nobody can tell apart made equal: no list and an empty one, no context and "".
fn meaning(text: &str) -> Mapping {
    let mut mapping = yaml::parse_value(text).unwrap().as_mapping().cloned().unwrap_or_default();
    for key in ["clusters", "contexts", "users"] {
        if mapping.get(key).is_none_or(Value::is_null) {
            mapping.insert(key.into(), Value::Sequence(Vec::new()));
        }
    }
    for (key, default) in [("apiVersion", "v1"), ("kind", "Config"), ("current-context", "")] {
        if mapping.get(key).is_none_or(Value::is_null) {
            mapping.insert(key.into(), default.into());
        }
    }
    mapping
}

/// The same without the items of one cluster, and without the current context.
fn others(text: &str, cluster: &str) -> Mapping {
    let name = crate::kubeconfig::context_name(cluster);
    let mut mapping = meaning(text);
    mapping.shift_remove("current-context");
    for key in ["clusters", "contexts", "users"] {
        let items = mapping.get_mut(key).unwrap().as_sequence_mut().unwrap();
        items.retain(|i| i.get("name").and_then(Value::as_str) != Some(&name));
    }
    mapping
}

fn sorted(text: &str) -> Mapping {
    let mut mapping = meaning(text);
    for key in ["clusters", "contexts", "users"] {
        mapping.get_mut(key).unwrap().as_sequence_mut().unwrap().sort_by_key(yaml::render);
    }
    mapping
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn removing_undoes_merging(sample in kubeconfig()) {
        let document = parse(&sample.text);
        let current = document.current_context().is_none_or(|c| document.has_context(c));
        let back = text(&removed(&merged(&document, &entry("dev", "1")), "dev"));
        if sample.keeps_bytes && current {
            prop_assert_eq!(&back, &sample.text);
        } else if current {
            prop_assert_eq!(meaning(&back), meaning(&sample.text));
        } else {
            prop_assert_eq!(others(&back, "dev"), others(&sample.text, "dev"));
        }
    }

    #[test]
    fn merging_twice_changes_nothing(sample in kubeconfig(), switch: bool) {
        let document = parse(&sample.text);
        let once = document.merge(&entry("dev", "1"), switch).unwrap().unwrap().document;
        prop_assert!(once.merge(&entry("dev", "1"), switch).unwrap().is_none());
        let gone = removed(&once, "dev");
        prop_assert!(gone.remove("dev", None, Some("")).unwrap().is_none());
    }

    #[test]
    fn others_stay_as_they_are_and_where_they_are(sample in kubeconfig()) {
        let document = parse(&sample.text);
        let after = merged(&document, &entry("dev", "1"));
        prop_assert_eq!(others(&text(&after), "dev"), others(&sample.text, "dev"));
        let renewed = merged(&after, &entry("dev", "2"));
        prop_assert_eq!(others(&text(&renewed), "dev"), others(&sample.text, "dev"));
        prop_assert_eq!(renewed.entry("dev"), Some(entry("dev", "2")));
        prop_assert_eq!(renewed.current_context(), Some("knarr-dev"));
        if sample.keeps_bytes {
            let all = text(&after);
            let mut rest = all.split(&['\r', '\n'][..]);
            for line in sample.text.split(&['\r', '\n'][..]) {
                let kept = line.contains(": []") || line.contains("current-context") || rest.any(|l| l == line);
                prop_assert!(kept, "line {:?} is lost", line);
            }
        }
    }

    #[test]
    fn clusters_do_not_disturb_each_other(sample in kubeconfig()) {
        let document = parse(&sample.text);
        let put = |d: &Document, c: &str| d.merge(&entry(c, "1"), false).unwrap().unwrap().document;
        let ab = put(&put(&document, "a"), "b");
        let ba = put(&put(&document, "b"), "a");
        prop_assert_eq!(sorted(&text(&ab)), sorted(&text(&ba)));
        prop_assert_eq!(text(&removed(&ab, "b")), text(&put(&document, "a")));
        prop_assert_eq!(sorted(&text(&removed(&ab, "a"))), sorted(&text(&put(&document, "b"))));
    }

    #[test]
    fn contexts_come_back_in_any_order(sample in kubeconfig(), first in 0..3_usize, second in 0..2_usize) {
        let document = parse(&sample.text);
        let mut all = ["a", "b", "c"].iter().fold(document.clone(), |d, c| merged(&d, &entry(c, "1")));
        let mut left = vec!["a", "b", "c"];
        for cluster in [left.remove(first), left.remove(second), left.remove(0)] {
            all = removed(&all, cluster);
        }
        let before = document.current_context().filter(|c| document.has_context(c));
        prop_assert_eq!(all.current_context(), before);
    }

    #[test]
    fn laid_out_by_machines(sample in kubeconfig(), json: bool) {
        let value = Value::Mapping(meaning(&sample.text));
        let written = if json { serde_json::to_string(&value).unwrap() } else { yaml::render(&value) };
        let document = parse(&written);
        let after = text(&merged(&document, &entry("dev", "1")));
        prop_assert_eq!(others(&after, "dev"), others(&written, "dev"));
        prop_assert_eq!(json, serde_json::from_str::<serde_json::Value>(&after).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn nothing_makes_it_unreadable(soup in soup()) {
        if let Ok(document) = Document::parse(soup.as_bytes()) {
            if let Ok(Some(changed)) = document.merge(&entry("dev", "1"), true) {
                prop_assert_eq!(others(&text(&changed.document), "dev"), others(&soup, "dev"));
                prop_assert_eq!(changed.document.entry("dev"), Some(entry("dev", "1")));
            }
            if let Ok(Some(changed)) = document.remove("dev", None, Some("")) {
                parse(&text(&changed.document));
            }
        }
    }
}
