//! NetworkPolicies as an nftables ruleset.
//!
//! `facts` is what of the cluster's objects matters; `compile` turns facts into a `ruleset`, `text` prints that for
//! nft. These are pure. `mirror` holds the facts as the API server tells them, `enforce` applies what follows from
//! them, `farewell` decides at the end of the process whether the rules stay.

pub mod addresses;
pub mod apply;
pub mod compile;
pub mod enforce;
pub mod facts;
pub mod farewell;
pub mod mirror;
pub mod ruleset;
pub mod text;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
