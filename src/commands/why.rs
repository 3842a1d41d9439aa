//! What is wrong in a cluster, and what to do about it.

use super::Session;
use crate::cli::args::why::Why;
use crate::cluster::{self, Cluster};
use crate::engine::{ContainerState, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::why::facts::{Facts, gather};
use crate::why::{self, Answer, Question, target};

/// Runs `knarr why`; problems are an error after their report, as with `knarr status`.
pub async fn run(session: &Session<impl Engine>, args: Why) -> Result<()> {
    let question =
        Question { target: target::parse(&args.object)?, namespace: (!args.all_namespaces).then_some(args.namespace) };
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, &session.cluster(args.name.as_deref())?).await?;
    let answer = why::answer(&facts(session, &*engine, &cluster).await?, &question)?;
    tell(session, &answer)
}

async fn facts<E: Engine>(session: &Session<E>, engine: &E, cluster: &Cluster) -> Result<Facts> {
    let api = async {
        let access = cluster::access(engine, cluster).await?;
        let api = session.outside.kubernetes.connect(&access)?;
        gather::gather(engine, cluster, &*api).await
    };
    // Without a control plane nothing else can be known, and it is the cause of everything.
    match (api.await, cluster.first_control_plane()) {
        (Err(e), Some(node)) if node.state != ContainerState::Running => {
            let (start, verb) =
                if node.state == ContainerState::Paused { ("let it go on", "unpause") } else { ("start it", "start") };
            Err(Error::new(
                ErrorKind::NotReady,
                format!("the container of the control plane `{}` is {}", node.name, node.state),
            )
            .cause(e.causes.last().unwrap_or(&e.message))
            .state("nothing more can be known while the API server does not answer")
            .hint(format!("{start} with `knarr {verb} {}`", cluster.name)))
        }
        (Err(e), _) => Err(e.hint(format!("see how the cluster is with `knarr status {}`", cluster.name))),
        (Ok(facts), _) => Ok(facts),
    }
}

fn tell(session: &Session<impl Engine>, answer: &Answer) -> Result<()> {
    if session.json() {
        session.print_json(answer)?;
    } else {
        session.print(&why::text(answer))?;
    }
    if answer.well {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotReady, format!("{} with {}", why::count(answer.findings.len()), answer.about)))
}
