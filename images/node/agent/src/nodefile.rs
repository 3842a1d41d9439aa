//! Reading `/etc/knarr/node.json`: an unknown contract is refused before anything else in it is judged.

use std::path::Path;

use knarr_contract::{CONTRACT, Component, Forward, NodeFile, Role};
use nix::sys::signal::Signal;

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
        check_component(component, &file.components[..index])?;
    }
    for (index, forward) in file.forwards.iter().enumerate() {
        check_forward(forward, &file.forwards[..index])?;
    }
    Ok(file)
}

fn check_component(component: &Component, earlier: &[Component]) -> Result<()> {
    let name = &component.name;
    // The name becomes a file name.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(Fault::new(format!("has a component with the unusable name {name:?}")));
    }
    if earlier.iter().any(|earlier| earlier.name == *name) {
        return Err(Fault::new(format!("names the component {name} twice")));
    }
    if component.argv.first().is_none_or(|program| !program.starts_with('/')) {
        return Err(Fault::new(format!("gives the component {name} no absolute program path")));
    }
    match &component.reload_signal {
        Some(signal) if signal.parse::<Signal>().is_err() => {
            Err(Fault::new(format!("gives the component {name} the unknown signal {signal:?}")))
        }
        _ => Ok(()),
    }
}

fn check_forward(forward: &Forward, earlier: &[Forward]) -> Result<()> {
    let Forward { port, protocol, to } = forward;
    let (address, fault) =
        (to.ip(), |what: &str| Err(Fault::new(format!("passes the {protocol} port {port} on to {to}: {what}"))));
    if *port == 0 || to.port() == 0 {
        return fault("0 is no port");
    }
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast() {
        return fault("that is no address of another container");
    }
    if earlier.iter().any(|earlier| (earlier.port, earlier.protocol) == (*port, *protocol)) {
        return fault("the port is passed on already");
    }
    Ok(())
}

/// Refuses a node file that would make another container of this one.
pub fn succeeds(now: &NodeFile, new: &NodeFile) -> Result<()> {
    let fault = |what: &str, now: &str, new: &str| {
        Err(Fault::new(format!(
            "the new node file is for the {what} {new}, this is the {what} {now}: nothing was changed"
        )))
    };
    let role = |file: &NodeFile| file.member.as_ref().map_or("helper", |member| Role::as_str(member.role));
    if now.cluster != new.cluster {
        return fault("cluster", &now.cluster, &new.cluster);
    }
    if now.node != new.node {
        return fault("node", &now.node, &new.node);
    }
    if role(now) != role(new) {
        return fault("role", role(now), role(new));
    }
    Ok(())
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

    #[test]
    fn signals_are_known_by_their_names() {
        let haproxy = |signal: &str| with(2, &format!(r#"{{"name":"x","argv":["/x"],"reloadSignal":"{signal}"}}"#));
        assert!(parse(&haproxy("SIGUSR2")).is_ok());
        for bad in ["USR2", "12", "", "SIGUSR2; reboot"] {
            let fault = parse(&haproxy(bad)).expect_err("unknown").to_string();
            assert!(fault.contains("component x") && fault.contains("unknown signal"), "{fault}");
        }
    }

    fn helper(forwards: &str) -> String {
        format!(r#"{{"contract":2,"cluster":"c","node":"n","forwards":[{forwards}],"components":[]}}"#)
    }

    #[test]
    fn forwards_are_checked_before_they_become_rules() {
        let both = r#"{"port":53,"protocol":"udp","to":"10.0.0.2:53"},{"port":53,"protocol":"tcp","to":"10.0.0.3:53"}"#;
        assert_eq!(parse(&helper(both)).expect("good").forwards.len(), 2);
        for bad in [
            r#"{"port":0,"protocol":"udp","to":"10.0.0.2:53"}"#,
            r#"{"port":53,"protocol":"udp","to":"10.0.0.2:0"}"#,
            r#"{"port":65536,"protocol":"udp","to":"10.0.0.2:53"}"#,
            r#"{"port":53,"protocol":"icmp","to":"10.0.0.2:53"}"#,
            r#"{"port":53,"protocol":"udp","to":"10.0.0.2:53; flush ruleset"}"#,
            r#"{"port":53,"protocol":"udp","to":"node:53"}"#,
            r#"{"port":53,"protocol":"udp","to":"127.0.0.1:53"}"#,
            r#"{"port":53,"protocol":"udp","to":"0.0.0.0:53"}"#,
            r#"{"port":53,"protocol":"udp","to":"224.0.0.1:53"}"#,
            r#"{"port":53,"protocol":"udp","to":"10.0.0.2:53"},{"port":53,"protocol":"udp","to":"10.0.0.3:53"}"#,
        ] {
            assert!(parse(&helper(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_container_stays_what_it_is() {
        let now = parse(&with(2, "")).expect("good");
        assert_eq!(succeeds(&now, &NodeFile { components: vec![], ..now.clone() }), Ok(()));
        let elsewhere = NodeFile { cluster: "d".into(), ..now.clone() };
        let fault = succeeds(&now, &elsewhere).expect_err("another cluster").to_string();
        assert!(fault.contains("is for the cluster d, this is the cluster c"), "{fault}");
        assert!(succeeds(&now, &NodeFile { node: "m".into(), ..now.clone() }).is_err());
        let fault = succeeds(&now, &NodeFile { member: None, ..now.clone() }).expect_err("a helper").to_string();
        assert!(fault.contains("is for the role helper, this is the role worker"), "{fault}");
    }
}
