//! What knarr runs inside its clusters, one program per duty: network policies, load balancers, ingress.
//!
//! Each program is an addon of its own with rights of its own. Deciding is pure (objects in, a ruleset or a
//! configuration out) and separate from watching and applying.

pub mod ingress;
pub mod load_balancer;
pub mod policy;
pub mod process;
