//! Looking into objects: absent is empty, so that rules read as sentences.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What rules ask of a JSON object, by pointer.
pub trait Look {
    /// The text at a pointer; empty when there is none.
    fn text(&self, pointer: &str) -> &str;
    /// The list at a pointer; empty when there is none.
    fn list(&self, pointer: &str) -> &[Value];
    /// The number at a pointer, if there is one.
    fn number(&self, pointer: &str) -> Option<i64>;
    /// Whether there is `true` at a pointer.
    fn flag(&self, pointer: &str) -> bool;
    /// The names and texts of the object at a pointer.
    fn texts(&self, pointer: &str) -> BTreeMap<&str, &str>;
    /// The moment at a pointer, in seconds since 1970.
    fn moment(&self, pointer: &str) -> Option<i64>;
    /// The object's name.
    fn name(&self) -> &str {
        self.text("/metadata/name")
    }
    /// The object's namespace; empty for what lives in none.
    fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }
    /// The object's kind.
    fn kind(&self) -> &str {
        self.text("/kind")
    }
    /// The condition of a type.
    fn condition(&self, kind: &str) -> Option<&Value> {
        self.list("/status/conditions").iter().find(|c| c["type"] == kind)
    }
}

impl Look for Value {
    fn text(&self, pointer: &str) -> &str {
        self.pointer(pointer).and_then(Self::as_str).unwrap_or_default()
    }

    fn list(&self, pointer: &str) -> &[Value] {
        self.pointer(pointer).and_then(Self::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> Option<i64> {
        self.pointer(pointer).and_then(Self::as_i64)
    }

    fn flag(&self, pointer: &str) -> bool {
        self.pointer(pointer).and_then(Self::as_bool).unwrap_or_default()
    }

    fn texts(&self, pointer: &str) -> BTreeMap<&str, &str> {
        let map = self.pointer(pointer).and_then(Self::as_object);
        map.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).collect()
    }

    fn moment(&self, pointer: &str) -> Option<i64> {
        OffsetDateTime::parse(self.text(pointer), &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
    }
}

/// What stands between two marks of a text.
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

/// Whether a text contains any of these.
pub fn any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// A span of seconds as a person says it: `12s`, `4m`, `3h`, `2d`.
pub fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7_200 => format!("{}m", s / 60),
        s @ 7_200..172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

/// `one, two and 3 more`: never a long list.
pub fn some<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `app=web, tier=front`
pub fn pairs(map: &BTreeMap<&str, &str>) -> String {
    map.iter()
        .map(|(k, v)| if v.is_empty() { (*k).to_owned() } else { format!("{k}={v}") })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether a LabelSelector (`matchLabels`, `matchExpressions`) means these labels.
pub fn selects(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    selector.texts("/matchLabels").iter().all(|(k, v)| labels.get(k) == Some(v))
        && selector.list("/matchExpressions").iter().all(|e| expression(e, labels))
}

/// Whether one requirement (`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`) is met by these labels.
pub fn expression(requirement: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let found = labels.get(requirement.text("/key"));
    let values = requirement.list("/values");
    let listed = found.is_some_and(|v| values.iter().any(|one| one == v));
    let compare = |wanted: fn(&i64, &i64) -> bool| {
        let bound = values.first().and_then(Value::as_str).and_then(|v| v.parse().ok());
        let value = found.and_then(|v| v.parse().ok());
        value.zip(bound).is_some_and(|(value, bound)| wanted(&value, &bound))
    };
    match requirement.text("/operator") {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compare(i64::gt),
        "Lt" => compare(i64::lt),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_is_empty() {
        let object = json!({"spec": {"a": "b", "n": 3, "on": true}, "at": "2026-01-01T00:00:10Z"});
        assert_eq!((object.text("/spec/a"), object.text("/spec/b"), object.list("/x").len()), ("b", "", 0));
        assert_eq!((object.number("/spec/n"), object.flag("/spec/on"), object.flag("/spec/n")), (Some(3), true, false));
        assert_eq!(object.moment("/at"), Some(1_767_225_610));
    }

    #[test]
    fn requirements_are_those_of_kubernetes() {
        let labels = BTreeMap::from([("zone", "a"), ("cores", "8")]);
        let met = |operator: &str, key: &str, values: &[&str]| {
            expression(&json!({"key": key, "operator": operator, "values": values}), &labels)
        };
        assert!(met("In", "zone", &["a", "b"]) && !met("In", "zone", &["b"]) && !met("In", "rack", &["b"]));
        assert!(met("NotIn", "zone", &["b"]) && met("NotIn", "rack", &["b"]) && !met("NotIn", "zone", &["a"]));
        assert!(met("Exists", "zone", &[]) && met("DoesNotExist", "rack", &[]));
        assert!(met("Gt", "cores", &["4"]) && !met("Lt", "cores", &["4"]) && !met("Gt", "zone", &["4"]));
    }

    #[test]
    fn words_for_people() {
        assert_eq!([5, 130, 7_300, 200_000].map(span), ["5s", "2m", "2h", "2d"]);
        assert_eq!(some(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(between("pods \"x\" is", "pods \"", "\""), Some("x"));
    }
}
