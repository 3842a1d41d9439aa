//! Access to clusters in the user's kubeconfig: what is ours goes in and out, what is not ours stays as it is.
//!
//! [`Document`] is one file in memory, pure. [`Paths`] says which files count. [`Store`] brings both together with
//! locks and atomic writes. Items are called `knarr-<cluster>` and carry a mark (`extensions: [{name: knarr, …}]`); an
//! item of that name without the mark is somebody else's and is never touched.

mod document;
mod edit;
mod file;
mod item;
mod lines;
mod lock;
mod paths;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

pub use self::document::{Changed, Defect, Document, Obstacle};
pub use self::paths::Paths;
pub use self::store::{ContextChange, Found, Options, Outcome, Store};

/// The name of a cluster's cluster, user and context in a kubeconfig.
pub fn context_name(cluster: &str) -> String {
    format!("knarr-{cluster}")
}

/// One cluster's access: where it is, whom to trust, who we are. `Debug` shows no certificate and no key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The cluster's name.
    pub cluster: String,
    /// The run of `knarr create` that made it.
    pub create_id: String,
    /// The identity of the Docker on which it was made; empty if that Docker does not tell.
    pub docker: String,
    /// The API's URL: that on the host, or that inside the cluster's network for a kubeconfig used there.
    pub server: String,
    /// The cluster's authority, PEM.
    pub ca_pem: String,
    /// The client certificate, PEM.
    pub client_cert_pem: String,
    /// The client's private key, PEM.
    pub client_key_pem: Zeroizing<String>,
}

/// Whose items stand in a kubeconfig file: what their marks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The file.
    pub path: PathBuf,
    /// The cluster's name.
    pub cluster: String,
    /// The run of `knarr create` that made it.
    pub create_id: String,
    /// The identity of the Docker on which it was made; empty if the mark does not tell.
    pub docker: String,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("cluster", &self.cluster)
            .field("create_id", &self.create_id)
            .field("docker", &self.docker)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// A whole kubeconfig with nothing but this entry, which is current.
pub fn render(entry: &Entry) -> String {
    let made = Document::parse(b"").ok().and_then(|empty| empty.merge(entry, true).ok().flatten());
    let made = made.expect("an empty kubeconfig takes every entry");
    String::from_utf8(made.document.to_bytes()).expect("a kubeconfig is text")
}
