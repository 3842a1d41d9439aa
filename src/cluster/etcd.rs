//! etcd as its own program tells of it: which members it has, asked with etcdctl on a control plane.

use serde::Deserialize;

use crate::engine::{Engine, ExecOutcome, ExecSpec};
use crate::error::{Error, Result};
use crate::node;
use crate::node::paths::{ETCD_CA, ETCD_CLIENT_PORT, pki, program};
use crate::spec::values::NodeName;

/// etcd's answer to `member list`.
#[derive(Debug, Deserialize)]
struct Members {
    members: Vec<Member>,
}

/// One member as etcd knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its number.
    #[serde(rename = "ID")]
    pub id: u64,
    /// Its node; empty until it has started once.
    #[serde(default)]
    pub name: String,
    /// Where the others reach it.
    #[serde(rename = "peerURLs", default)]
    pub peer_urls: Vec<String>,
    /// Whether it has no vote yet.
    #[serde(rename = "isLearner", default)]
    pub is_learner: bool,
}

impl Member {
    /// Whether it is the member of this node: by its name, or before it has started by its address.
    pub fn is_of(&self, node: &NodeName) -> bool {
        self.name == node.as_str() || self.peer_urls.contains(&node::peer_url(node))
    }
}

/// The question of which members there are.
pub fn member_list() -> ExecSpec {
    etcdctl(&["member", "list", "--write-out=json"].map(String::from))
}

/// etcdctl with the rights of a health check, on a control plane.
pub fn etcdctl(words: &[String]) -> ExecSpec {
    let options = [
        program("etcdctl"),
        format!("--endpoints=https://127.0.0.1:{ETCD_CLIENT_PORT}"),
        format!("--cacert={ETCD_CA}"),
        format!("--cert={}", pki("etcd/healthcheck-client", "crt")),
        format!("--key={}", pki("etcd/healthcheck-client", "key")),
    ];
    ExecSpec::new(options.into_iter().chain(words.iter().cloned()))
}

/// Reads the answer to [`member_list`].
///
/// # Errors
/// etcd did not answer: it does not run, or the members that do are too few.
pub fn read_members(answer: &ExecOutcome) -> Result<Vec<Member>> {
    match serde_json::from_slice::<Members>(&answer.stdout) {
        Ok(Members { members }) if answer.status == 0 => Ok(members),
        _ => Err(Error::failed("etcd does not tell its members").cause(last_line(&answer.stderr))),
    }
}

/// The members, as one control plane knows them.
pub async fn members<E: Engine>(engine: &E, plane: &str) -> Result<Vec<Member>> {
    read_members(&engine.exec(plane, &member_list()).await?)
}

/// etcdctl says what is wrong in its last line.
pub fn last_line(stderr: &[u8]) -> String {
    String::from_utf8_lossy(stderr).lines().last().unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_etcdctl_writes_them() {
        let text = r#"{"header":{"cluster_id":1},"members":[
            {"ID":13803658152347727308,"name":"a","peerURLs":["https://a:2380"],"clientURLs":["https://a:2379"]},
            {"ID":7,"peerURLs":["https://b:2380"],"isLearner":true}]}"#;
        let Members { members } = serde_json::from_str(text).expect("reads");
        assert_eq!(format!("{:x}", members[0].id), "bf9071f4639c75cc");
        assert!(members[1].is_learner && members[1].name.is_empty());
        let named = |name: &str| NodeName::parse(name).expect("a name");
        assert!(members[0].is_of(&named("a")) && members[1].is_of(&named("b")) && !members[1].is_of(&named("a")));
    }
}
