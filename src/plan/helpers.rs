//! The containers beside the nodes: the balancer and the forwarders of ports. They hold nothing, so one that is lost is made
//! anew by whoever misses it.

use super::layout::{Forwarder, Layout};
use super::living::Living;
use super::{NodeStep, Step, container, names};
use crate::node::render;

/// The making of the balancer.
pub(super) fn balancer_step(layout: &Layout) -> Step {
    let container = container::balancer(layout);
    Step::StartNode(Box::new(NodeStep { container, files: render::balancer_files(layout) }))
}

/// The making of the container that passes a port on.
pub(super) fn forwarder_step(layout: &Layout, forwarder: &Forwarder) -> Step {
    let container = container::forwarder(layout, forwarder);
    Step::StartNode(Box::new(NodeStep { container, files: render::forwarder_files(layout, forwarder) }))
}

/// The helpers that a cluster should have and has not, by name, with their making.
pub(super) fn lost(living: &Living) -> Vec<(String, Step)> {
    let layout = &living.layout;
    let balancer = layout.balancer.then(|| (names::balancer(layout.name()), balancer_step(layout)));
    let forwarders = layout.forwarders.iter();
    let forwarders = forwarders.map(|one| (names::forwarder(layout.name(), one), forwarder_step(layout, one)));
    balancer.into_iter().chain(forwarders).filter(|(name, _)| !living.states.contains_key(name)).collect()
}
