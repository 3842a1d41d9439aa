//! Who belongs to etcd: members come as learners, get a vote once they have all data, and leave. Done with etcdctl on a
//! control plane that is whole.

use serde::Deserialize;

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

/// How etcd says that it wants to be asked again.
const UNSETTLED: &str = "unhealthy cluster";

type Outcome<T> = std::result::Result<T, Failure>;

impl<E: Engine> Run<'_, E> {
    /// Tells etcd of a member that is coming, unless it knows it already.
    pub(super) async fn join_etcd(&self, node: &str, through: &Through, progress: super::Progress<'_>) -> Outcome<()> {
        if self.member(node, through).await?.is_some() {
            return Ok(());
        }
        let url = format!("--peer-urls={}", node::peer_url(&parse(node)?));
        let headline = format!("etcd does not take `{node}` as a member");
        self.change_members(through, &["member", "add", node, "--learner", &url], &headline, progress).await
    }

    /// Tells etcd that a member is gone for good; one that it does not know is gone already.
    pub(super) async fn leave_etcd(&self, node: &str, through: &Through, progress: super::Progress<'_>) -> Outcome<()> {
        let Some(member) = self.member(node, through).await? else { return Ok(()) };
        let id = format!("{:x}", member.id);
        let headline = format!("etcd does not let `{node}` go");
        self.change_members(through, &["member", "remove", &id], &headline, progress).await
    }

    /// Changes who belongs to etcd. It refuses while members have not been connected to each other for five seconds, so
    /// that is waited for; nothing tells when it is over.
    async fn change_members(
        &self,
        through: &Through,
        words: &[&str],
        headline: &str,
        progress: super::Progress<'_>,
    ) -> Outcome<()> {
        let changing = async {
            loop {
                let outcome = self.etcdctl(through, words).await.map_err(|failure| failure.error)?;
                if outcome.status == 0 {
                    return Ok(());
                }
                let why = last_line(&outcome.stderr);
                if !why.contains(UNSETTLED) {
                    return Err(Error::failed(headline).cause(why));
                }
                progress("etcd's members to be connected for five seconds");
                tokio::time::sleep(RETRY * 10).await;
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
            loop {
                let Some(member) = self.member(node, through).await.map_err(|failure| failure.error)? else {
                    return Err(Error::failed(format!("etcd does not know `{node}` any more")));
                };
                if !member.is_learner {
                    return Ok(());
                }
                let id = format!("{:x}", member.id);
                let promote =
                    self.etcdctl(through, &["member", "promote", &id]).await.map_err(|failure| failure.error)?;
                if promote.status == 0 {
                    return Ok(());
                }
                progress(&format!("{node} copies the data: {}", last_line(&promote.stderr)));
                tokio::time::sleep(RETRY * 5).await;
            }
        };
        Ok(self.bounded(promoting).await?)
    }

    async fn member(&self, node: &str, through: &Through) -> Outcome<Option<Member>> {
        let list = self.etcdctl(through, &["member", "list", "--write-out=json"]).await?;
        let told: std::result::Result<Members, _> = serde_json::from_slice(&list.stdout);
        let Ok(Members { members }) = told else {
            return Err(Error::failed("etcd does not tell its members").cause(last_line(&list.stderr)).into());
        };
        let url = node::peer_url(&parse(node)?);
        Ok(members.into_iter().find(|member| member.name == node || member.peer_urls.contains(&url)))
    }

    async fn etcdctl(&self, through: &Through, words: &[&str]) -> Outcome<ExecOutcome> {
        let options = [
            program("etcdctl"),
            format!("--endpoints=https://127.0.0.1:{ETCD_CLIENT_PORT}"),
            format!("--cacert={ETCD_CA}"),
            format!("--cert={}", pki("etcd/healthcheck-client", "crt")),
            format!("--key={}", pki("etcd/healthcheck-client", "key")),
        ];
        let exec = ExecSpec::new(options.into_iter().chain(words.iter().map(|word| (*word).to_owned())));
        self.go_on()?;
        self.call(op::EXEC, through.as_str(), self.context.engine.exec(through.as_str(), &exec)).await
    }
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
