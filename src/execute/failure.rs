//! A step that failed: the error for the person, and whether another choice of subnet or port may help.

use crate::engine::{EngineError, EngineErrorKind, op};
use crate::error::{Error, ErrorKind};
use crate::plan::layout::Forwarder;
use crate::plan::{Plan, Verb, names};

/// What a step returns when it fails.
pub struct Failure {
    /// For the person.
    pub error: Error,
    kind: Option<EngineErrorKind>,
}

impl Failure {
    /// Set when a port or subnet was taken by somebody else in the meantime.
    pub fn taken(&self) -> Option<EngineErrorKind> {
        self.kind.filter(|k| matches!(k, EngineErrorKind::PortTaken | EngineErrorKind::AddressTaken))
    }

    /// Whether somebody else has the name that was wanted.
    pub fn name_taken(&self) -> bool {
        self.kind == Some(EngineErrorKind::Conflict)
    }

    /// Of two failures of one phase, the one that tells more: an interrupt tells nothing.
    pub fn worse(self, other: Self) -> Self {
        if self.error.kind == ErrorKind::Interrupted { other } else { self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, kind: None }
    }
}

/// A refusal of Docker in the words of this cluster, with what to try.
pub fn explain(e: EngineError, plan: &Plan) -> Failure {
    let layout = &plan.layout;
    let cluster = layout.name();
    let kind = e.kind;
    if plan.verb != Verb::Create {
        return living(e, plan);
    }
    let error = match kind {
        EngineErrorKind::Conflict => {
            let list = if e.operation == op::CREATE_NETWORK { "docker network ls" } else { "docker ps -a" };
            Error::new(ErrorKind::Exists, format!("the name of cluster `{cluster}` is taken"))
                .cause(&e)
                .hint(format!("see what has it with `knarr get clusters` and `{list}`; a cluster goes with `knarr delete cluster {cluster}`"))
                .hint("choose another name with `--name`")
        }
        EngineErrorKind::PortTaken => Error::new(ErrorKind::Environment, format!("a host port that cluster `{cluster}` needs is taken"))
            .cause(&e)
            .hint(format!("see who holds it with `ss -ltnp`; the API wants {}, let knarr choose with `--api-port 0`", layout.api)),
        EngineErrorKind::AddressTaken => Error::new(ErrorKind::Environment, format!("the subnet {} for cluster `{cluster}` is taken", layout.subnet))
            .cause(&e)
            .hint("see who has it with `docker network ls` and `ip route`; choose another with `networking.nodeSubnet` in the config"),
        EngineErrorKind::NotFound if e.operation == op::CREATE_CONTAINER => {
            Error::new(ErrorKind::ImageMissing, format!("the node image `{}` is not here", layout.spec.image))
                .cause(&e)
                .hint("build it with `knarr image build`")
        }
        // What this run made is gone under its feet: nothing that the user named is missing.
        EngineErrorKind::NotFound => Error { kind: ErrorKind::Failed, ..Error::from(e) },
        _ => Error::from(e),
    };
    Failure { error, kind: Some(kind) }
}

/// The same for a cluster that is there: its ports and addresses are settled, somebody else has to move.
fn living(e: EngineError, plan: &Plan) -> Failure {
    let cluster = plan.layout.name();
    let (kind, node) = (e.kind, e.object.clone());
    let again = plan.command();
    let what = if plan.layout.node(&node).is_some() { "node" } else { "container" };
    let error = match kind {
        EngineErrorKind::PortTaken => {
            let error = format!("{what} `{node}` cannot start: a host port of it is taken");
            let opened = plan.layout.forwarders.iter().find(|port| names::forwarder(cluster, port) == node);
            let give_up = |port: &Forwarder| format!("knarr port remove {} --name {cluster}", port.host());
            let error = Error::new(ErrorKind::Environment, error).cause(&e.detail);
            opened.iter().fold(error, |error, port| error.hint(format!("or give the port up with `{}`", give_up(port))))
        }
        EngineErrorKind::AddressTaken => {
            Error::new(ErrorKind::Environment, format!("{what} `{node}` cannot start: its address is taken"))
                .cause(&e.detail)
        }
        // The node is gone under our feet, or its network is.
        EngineErrorKind::NotFound => Error { kind: ErrorKind::Failed, ..Error::from(e) }
            .hint(format!("see what is left with `knarr status {cluster}`")),
        _ => Error::from(e),
    };
    Failure { error: error.hint(format!("then go on with `{again}`")), kind: Some(kind) }
}
