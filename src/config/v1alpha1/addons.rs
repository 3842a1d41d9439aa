//! The key `addons`: a mapping from names to switches or settings, or a list of names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::addons;

/// What the file says of addons.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Addons {
    /// `storage: false`, `ingress: {allowSnippets: true}`
    Mapping(BTreeMap<String, Switch>),
    /// `[ingress]`
    List(Vec<String>),
}

/// What the file says of one addon.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Switch {
    /// On or off.
    Bool(bool),
    /// On, with these settings.
    Settings(BTreeMap<String, bool>),
}

impl Default for Addons {
    fn default() -> Self {
        Self::Mapping(BTreeMap::new())
    }
}

impl<'de> Deserialize<'de> for Addons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Addons;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from addons to `true`, `false` or settings, or a list of addons")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Addons, A::Error> {
                let mut out = BTreeMap::new();
                while let Some((name, switch)) = entries.next_entry()? {
                    out.insert(name, switch);
                }
                Ok(Addons::Mapping(out))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Addons, A::Error> {
                let mut out = Vec::new();
                while let Some(name) = items.next_element()? {
                    out.push(name);
                }
                Ok(Addons::List(out))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or a mapping of settings")
            }

            fn visit_bool<E>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch::Bool(on))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Switch, A::Error> {
                let mut out = BTreeMap::new();
                while let Some((name, value)) = entries.next_entry()? {
                    out.insert(name, value);
                }
                Ok(Switch::Settings(out))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Addons {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Addons".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for addon in &addons::ALL {
            let mut forms = vec![serde_json::json!({"type": "boolean"})];
            if !addon.settings.is_empty() {
                let settings: serde_json::Map<_, _> = addon
                    .settings
                    .iter()
                    .map(|s| (s.name.to_owned(), serde_json::json!({"type": "boolean", "description": s.about})))
                    .collect();
                forms
                    .push(serde_json::json!({"type": "object", "properties": settings, "additionalProperties": false}));
            }
            let on = if addon.by_default { "on" } else { "off" };
            let about = format!("{}; {on} unless told otherwise.", addon.about);
            properties.insert(addon.name.to_owned(), serde_json::json!({"description": about, "anyOf": forms}));
        }
        json_schema!({"anyOf": [
            {"type": "object", "properties": properties, "additionalProperties": false},
            {"type": "array", "items": {"enum": addons::names()}},
        ]})
    }
}
