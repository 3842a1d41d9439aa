//! Every file and every command line of a node, rendered from the [`Layout`](crate::plan::layout::Layout).
//!
//! Pure: no clock, no randomness, no secret. Secrets stand in the files by name ([`files::Content`]) and get their
//! bytes only when the archive for the node is packed, so a dry run can show everything else.

mod api_server;
mod balancer;
mod components;
mod containerd;
mod documents;
mod etcd;
pub mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod flags;
mod kubelet;
mod labels;
pub mod paths;
mod registries;
pub mod render;
#[cfg(test)]
mod tests;

pub use self::etcd::{data_folder, peer_url};
pub use self::flags::is_protected;
pub use self::labels::default_taints;
