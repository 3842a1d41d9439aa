//! A balancer whose port on the host somebody else has by now: it is made anew at another one.

use std::net::SocketAddr;

use super::helpers::balancer_step;
use super::layout::Layout;
use super::living::{Action, Change, assemble, waiting};
use super::reshape::telling;
use super::{Living, Plan, Step, Verb, Wish, names, phase};

impl Layout {
    /// The same cluster, published elsewhere on the host.
    pub fn published_at(&self, api: SocketAddr) -> Self {
        Self { api, ..self.next() }
    }
}

impl Plan {
    /// Makes the balancer anew where `target` has it. The nodes, which run by now, hear of it first: whoever comes after a
    /// cut finds the balancer gone and makes it anew where they say.
    pub fn relocate(living: &Living, target: Layout, wait: bool) -> Self {
        let balancer = names::balancer(target.name());
        let mut rest = living.clone();
        rest.states.remove(&balancer);
        let wish = Wish::new(Verb::Start, target);
        let port = wish.target.api.port();
        let discard = Step::Change(Change { node: balancer, action: Action::Discard { data: false } });
        let mut phases = vec![phase(
            "removing the balancer, whose port is taken",
            "removed the balancer, whose port is taken",
            vec![discard],
        )];
        phases.extend(telling(&rest, &living.layout, &wish));
        phases.push(phase(
            format!("making the balancer anew at port {port}"),
            format!("made the balancer anew at port {port}"),
            vec![balancer_step(&wish.target)],
        ));
        phases.extend(waiting(wait));
        assemble(Verb::Start, &wish.target, phases)
    }
}
