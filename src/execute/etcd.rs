//! Who belongs to etcd: members come as learners, get a vote once they have all data, and leave. Done with etcdctl on a
//! control plane that is whole.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::{RETRY, Run};
use crate::cluster::etcd::{Member, etcdctl, last_line, member_list, read_members};
use crate::engine::{Engine, ExecOutcome, ExecSpec, op};
use crate::error::{Error, Result};
use crate::node;
use crate::plan::Through;
use crate::spec::values::NodeName;

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
        let wanted = |member: &Member| layout.control_planes().any(|node| member.is_of(&node.spec.name));
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
        Ok(read_members(&self.run(through, &member_list()).await?)?)
    }

    async fn etcdctl(&self, through: &Through, words: &[String]) -> Outcome<ExecOutcome> {
        self.run(through, &etcdctl(words)).await
    }

    async fn run(&self, through: &Through, exec: &ExecSpec) -> Outcome<ExecOutcome> {
        self.go_on()?;
        self.call(op::EXEC, through.as_str(), self.context.engine.exec(through.as_str(), exec)).await
    }
}

/// The member of a node.
fn find<'m>(members: &'m [Member], node: &str) -> Option<&'m Member> {
    let name = parse(node).ok()?;
    members.iter().find(|member| member.is_of(&name))
}

fn removal(member: &Member) -> Vec<String> {
    vec!["member".to_owned(), "remove".into(), format!("{:x}", member.id)]
}

fn parse(node: &str) -> Result<NodeName> {
    NodeName::parse(node).map_err(|refused| Error::failed(refused.0))
}
