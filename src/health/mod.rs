//! Is it well? What the nodes' agents say, kept fresh while something is waited for, and the cluster DNS.

pub mod dns;
pub mod etcd;
pub mod nodes;
pub mod straits;
