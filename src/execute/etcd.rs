//! Who belongs to etcd: members come as learners, get a vote once they have all data, and leave. Done with etcdctl on a
//! control plane that is whole.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::failure::Failure;
use super::{RETRY, Run};
use crate::engine::{Engine, ExecOutcome, ExecSpec, op};
use crate::error::{Error, Result};
use crate::node;
use crate::node::paths::{ETCD_CA, ETCD_CLIENT_PORT, pki, program};
use crate::plan::Through;
use crate::spec::values::NodeName;

/// etcd's answer to `member list`.
#[derive(Debug, Deserialize)]
struct Members {
    members: Vec<Member>,
}

/// One member as etcd knows it.
#[derive(Debug, Deserialize)]
struct Member {
    #[serde(rename = "ID")]
    id: u64,
    /// Empty until it has started once.
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
    #[serde(rename = "isLearner", default)]
    is_learner: bool,
}

/// How long a refusal or silence of etcd is borne: several times what etcd needs to settle after any of them.
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome<T> = std::result::Result<T, Failure>;

impl<E: Engine> Run<'_, E> {
    /// Tells etcd of a member that is coming, unless it knows it already.
    pub(super) async fn join_etcd(&self, node: &str, through: &Through, progress: super::Progress<'_>) -> Outcome<()> {
        let url = format!("--peer-urls={}", node::peer_url(&parse(node)?));
        let headline = format!("etcd does not take `{node}` as a member");
        let add = ["member", "add", node, "--learner", &url].map(String::from).to_vec();
        let missing = |members: &[Member]| find(members, node).is_none().then(|| add.clone());
        self.change_members(through, &headline, missing, progress).await
    }

    /// Tells etcd that a member is gone for good; one that it does not know is gone already.
    pub(super) async fn leave_etcd(&self, node: &str, through: &Through, progress: super::Progress<'_>) -> Outcome<()> {
        let headline = format!("etcd does not let `{node}` go");
        let there = |members: &[Member]| find(members, node).map(removal);
        self.change_members(through, &headline, there, progress).await
    }

    /// Lets etcd forget members without a vote that are no control planes of the layout.
    pub(super) async fn tidy_etcd(&self, through: &Through, progress: super::Progress<'_>) -> Outcome<()> {
        let layout = &self.plan.layout;
        let wanted = |member: &Member| {
            layout.control_planes().any(|node| member.peer_urls.contains(&node::peer_url(&node.spec.name)))
        };
        let left = |members: &[Member]| members.iter().find(|m| m.is_learner && !wanted(m)).map(removal);
        self.change_members(through, "etcd keeps a member that nobody makes", left, progress).await
    }

    /// Changes who belongs to etcd until there is nothing left to change. It refuses while members have not been connected
    /// to each other for five seconds, while it elects a leader, and while another change is under way: then it is asked
    /// again, and first whether the last answer was lost.
    async fn change_members(
        &self,
        through: &Through,
        headline: &str,
        next: impl Fn(&[Member]) -> Option<Vec<String>>,
        progress: super::Progress<'_>,
    ) -> Outcome<()> {
        let patience = Instant::now() + PATIENCE;
        let changing = async {
            loop {
                let refusal = match self.members(through).await {
                    Ok(members) => match next(&members) {
                        None => return Ok(()),
                        Some(words) => {
                            let outcome = self.etcdctl(through, &words).await.map_err(|failure| failure.error)?;
                            (outcome.status != 0).then(|| Error::failed(headline).cause(last_line(&outcome.stderr)))
                        }
                    },
                    Err(failure) => Some(failure.error),
                };
                if let Some(error) = refusal {
                    if Instant::now() >= patience {
                        return Err(error);
                    }
                    progress(error.causes.last().unwrap_or(&error.message));
                    tokio::time::sleep(RETRY * 10).await;
                }
            }
        };
        Ok(self.bounded(changing).await?)
    }

    /// Gives a member its vote. etcd refuses while it is behind, and nothing tells when it no longer is, so it is asked
    /// again and again; meanwhile the member is heard of through its own agent.
    pub(super) async fn promote_etcd(
        &self,
        node: &str,
        through: &Through,
        progress: super::Progress<'_>,
    ) -> Outcome<()> {
        self.listen_to(node);
        let promoting = async {
            progress(&format!("etcd on {node} is starting"));
            self.watch.component_started(node, "etcd").await;
            let patience = Instant::now() + PATIENCE;
            loop {
                let members = match self.members(through).await {
                    Ok(members) => members,
                    Err(Failure { error, .. }) if Instant::now() >= patience => return Err(error),
                    // Without a leader, for now, it tells nothing.
                    Err(Failure { error, .. }) => {
                        progress(error.causes.last().unwrap_or(&error.message));
                        tokio::time::sleep(RETRY * 10).await;
                        continue;
                    }
                };
                let Some(member) = find(&members, node) else {
                    return Err(Error::failed(format!("etcd does not know `{node}` any more")));
                };
                if !member.is_learner {
                    return Ok(());
                }
                let promote = ["member".to_owned(), "promote".into(), format!("{:x}", member.id)];
                let promoted = self.etcdctl(through, &promote).await.map_err(|failure| failure.error)?;
                if promoted.status == 0 {
                    return Ok(());
                }
                progress(&format!("{node} copies the data: {}", last_line(&promoted.stderr)));
                tokio::time::sleep(RETRY * 5).await;
            }
        };
        Ok(self.bounded(promoting).await?)
    }

    async fn members(&self, through: &Through) -> Outcome<Vec<Member>> {
        let words = ["member", "list", "--write-out=json"].map(String::from);
        let list = self.etcdctl(through, &words).await?;
        match serde_json::from_slice::<Members>(&list.stdout) {
            Ok(Members { members }) if list.status == 0 => Ok(members),
            _ => Err(Error::failed("etcd does not tell its members").cause(last_line(&list.stderr)).into()),
        }
    }

    async fn etcdctl(&self, through: &Through, words: &[String]) -> Outcome<ExecOutcome> {
        let options = [
            program("etcdctl"),
            format!("--endpoints=https://127.0.0.1:{ETCD_CLIENT_PORT}"),
            format!("--cacert={ETCD_CA}"),
            format!("--cert={}", pki("etcd/healthcheck-client", "crt")),
            format!("--key={}", pki("etcd/healthcheck-client", "key")),
        ];
        let exec = ExecSpec::new(options.into_iter().chain(words.iter().cloned()));
        self.go_on()?;
        self.call(op::EXEC, through.as_str(), self.context.engine.exec(through.as_str(), &exec)).await
    }
}

/// The member of a node: by its name, or before it has started by its address.
fn find<'m>(members: &'m [Member], node: &str) -> Option<&'m Member> {
    let url = parse(node).map(|name| node::peer_url(&name)).unwrap_or_default();
    members.iter().find(|member| member.name == node || member.peer_urls.contains(&url))
}

fn removal(member: &Member) -> Vec<String> {
    vec!["member".to_owned(), "remove".into(), format!("{:x}", member.id)]
}

fn parse(node: &str) -> Result<NodeName> {
    NodeName::parse(node).map_err(|refused| Error::failed(refused.0))
}

/// etcdctl says what is wrong in its last line.
fn last_line(stderr: &[u8]) -> String {
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
    }
}
