//! Which addons the cluster shall have: the defaults, then the file, then the flags.

use super::{Check, entry};
use crate::addons::{self, Addon, Chosen, Settings};
use crate::config::suggest::unknown;
use crate::config::v1alpha1::{Addons, Switch};

/// The addons that are on, each with its settings.
pub(super) fn chosen(check: &mut Check<'_>) -> Chosen {
    let mut chosen = addons::by_default();
    match &check.input.cluster.addons {
        Addons::List(names) => {
            for (i, name) in names.iter().enumerate() {
                if let Some(addon) = known(check, &format!("addons[{i}]"), name) {
                    chosen.entry(addon.name).or_default();
                }
            }
        }
        Addons::Mapping(switches) => {
            for (name, switch) in switches {
                let path = entry("addons", name);
                let Some(addon) = known(check, &path, name) else { continue };
                match switch {
                    Switch::Bool(false) => _ = chosen.remove(addon.name),
                    Switch::Bool(true) => _ = chosen.entry(addon.name).or_default(),
                    Switch::Settings(wire) => _ = chosen.insert(addon.name, settings(check, &path, addon, wire)),
                }
            }
        }
    }
    let overrides = check.input.overrides;
    for name in &overrides.addons {
        if let Some(addon) = known(check, "--addon", name) {
            if overrides.no_addons.contains(name) {
                check.problem("--addon", format!("`{name}` is turned off by `--no-addon` at the same time"));
            }
            chosen.entry(addon.name).or_default();
        }
    }
    for name in &overrides.no_addons {
        if let Some(addon) = known(check, "--no-addon", name) {
            chosen.remove(addon.name);
        }
    }
    for (name, wanted) in addons::missing(&chosen) {
        check.warn("addons", format!("`{name}` gets no address of its own while `{wanted}` is off"));
    }
    chosen
}

fn known(check: &mut Check<'_>, path: &str, name: &str) -> Option<&'static Addon> {
    let addon = addons::find(name);
    if addon.is_none() {
        check.problem(path, unknown(name, "an addon", &addons::names()));
    }
    addon
}

fn settings(
    check: &mut Check<'_>,
    path: &str,
    addon: &Addon,
    wire: &std::collections::BTreeMap<String, bool>,
) -> Settings {
    let names: Vec<&str> = addon.settings.iter().map(|setting| setting.name).collect();
    let mut out = Settings::new();
    for (key, value) in wire {
        match addon.settings.iter().find(|setting| setting.name == key) {
            Some(setting) => _ = out.insert(setting.name, *value),
            None if names.is_empty() => {
                check.problem(entry(path, key), format!("`{}` has no settings; use `true` or `false`", addon.name));
            }
            None => check.problem(entry(path, key), unknown(key, &format!("a setting of `{}`", addon.name), &names)),
        }
    }
    out
}
