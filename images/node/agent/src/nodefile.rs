//! Reading `/etc/knarr/node.json`: an unknown contract is refused before anything else in it is judged.

use std::path::Path;

use knarr_contract::{CONTRACT, NodeFile};

use crate::fault::{Context, Fault, Result};

/// Reads and checks the node file.
pub fn read(path: impl AsRef<Path>) -> Result<NodeFile> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).context(|| format!("the node file {} cannot be read", path.display()))?;
    parse(&text).context(|| format!("the node file {}", path.display()))
}

fn parse(text: &str) -> Result<NodeFile> {
    let value: serde_json::Value = serde_json::from_str(text).context(|| "is not JSON")?;
    // Looked at first: a newer contract may have fields that this agent would only call unknown.
    match value.get("contract").and_then(serde_json::Value::as_u64) {
        Some(number) if number == u64::from(CONTRACT) => {}
        Some(number) => {
            return Err(Fault::new(format!(
                "speaks contract {number}, but this node image knows contract {CONTRACT}: use the node image that \
                 belongs to this version of knarr"
            )));
        }
        None => return Err(Fault::new("has no contract number")),
    }
    let file: NodeFile = serde_json::from_value(value).context(|| "does not follow the contract")?;
    for (index, component) in file.components.iter().enumerate() {
        let name = &component.name;
        // The name becomes a file name.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(Fault::new(format!("has a component with the unusable name {name:?}")));
        }
        if file.components[..index].iter().any(|earlier| earlier.name == *name) {
            return Err(Fault::new(format!("names the component {name} twice")));
        }
        if component.argv.first().is_none_or(|program| !program.starts_with('/')) {
            return Err(Fault::new(format!("gives the component {name} no absolute program path")));
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(contract: u64, components: &str) -> String {
        format!(
            r#"{{"contract":{contract},"cluster":"c","node":"n","member":{{"role":"worker","network":{{
            "address":"10.0.0.2","podCidr":"10.244.0.0/24","clusterCidr":"10.244.0.0/16","peers":[]}}}},"components":[{components}]}}"#
        )
    }

    #[test]
    fn a_good_file_is_read() {
        let file = parse(&with(2, r#"{"name":"etcd","argv":["/usr/bin/etcd"]}"#)).expect("good");
        assert_eq!(file.components[0].name, "etcd");
    }

    #[test]
    fn another_contract_is_refused_by_number() {
        let fault = parse(&with(7, r#"{"new":1}"#)).expect_err("must fail").to_string();
        assert!(fault.contains("contract 7") && fault.contains("contract 2"), "{fault}");
        assert!(parse("{}").expect_err("must fail").to_string().contains("no contract number"));
    }

    #[test]
    fn names_and_programs_are_checked() {
        for bad in [
            r#"{"name":"../x","argv":["/x"]}"#,
            r#"{"name":"","argv":["/x"]}"#,
            r#"{"name":"x","argv":[]}"#,
            r#"{"name":"x","argv":["x"]}"#,
            r#"{"name":"x","argv":["/x"]},{"name":"x","argv":["/x"]}"#,
        ] {
            assert!(parse(&with(2, bad)).is_err(), "{bad}");
        }
    }
}
