//! The certificates of a cluster, read out of its nodes into memory: to check them, and to make new ones from its own
//! authorities. Keys are wiped when they are done with; nothing of this reaches the host's disk.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use serde_json::Value;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Cluster, from_any, read_file};
use crate::engine::Engine;
use crate::engine::archive::{self, Content, Item};
use crate::error::{Error, Result};
use crate::node::paths;
use crate::node::render::{self, Content as Wanted};
use crate::pki::{self, Authority, Cert, CertifiedKey, Checked, EncryptionKey, Roots, SecretPem};
use crate::plan::layout::{Layout, NodeLayout};

/// One certificate of one node.
#[derive(Clone, Debug)]
pub struct Found {
    /// The node.
    pub node: String,
    /// Its file there.
    pub path: String,
    /// What it is for.
    pub cert: Cert,
    /// What it says, and what is wrong with it.
    pub checked: Checked,
}

/// Every certificate of every node of the layout that is there, checked.
pub async fn check<E: Engine>(
    engine: &E,
    cluster: &Cluster,
    layout: &Layout,
    now: OffsetDateTime,
) -> Result<Vec<Found>> {
    let there = |node: &&NodeLayout| cluster.nodes.iter().any(|there| there.name == node.spec.name.as_str());
    let all = layout.nodes.iter().filter(there).map(|node| async move {
        let files = files(engine, node.spec.name.as_str()).await?;
        Ok::<_, Error>(check_node(layout, node, &files, now))
    });
    Ok(try_join_all(all).await?.into_iter().flatten().collect())
}

/// The nodes of which a certificate should be made anew.
pub fn wanting_renewal(found: &[Found]) -> Vec<String> {
    let leaves = found.iter().filter(|f| matches!(f.cert, Cert::Leaf(..)) && f.checked.wants_renewal());
    let mut nodes: Vec<String> = leaves.map(|f| f.node.clone()).collect();
    nodes.dedup();
    nodes
}

/// The authorities and shared keys of a cluster, out of one of its control planes.
pub async fn roots<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Roots> {
    from_any(cluster, |node| roots_of(engine, node)).await
}

async fn roots_of<E: Engine>(engine: &E, node: &str) -> Result<Roots> {
    let secret = |path: String| async move {
        let bytes = read_file(engine, node, &path).await?;
        Ok::<_, Error>(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
    };
    let authority = |stem: &'static str| async move {
        let (certificate, key) =
            futures::future::try_join(secret(paths::pki(stem, "crt")), secret(paths::pki(stem, "key"))).await?;
        CertifiedKey::from_pem(certificate.to_string(), SecretPem::new(key.to_string()))
    };
    let (cluster, etcd, front_proxy, account, encryption) = futures::try_join!(
        authority("ca"),
        authority("etcd/ca"),
        authority("front-proxy-ca"),
        secret(paths::SERVICE_ACCOUNT_KEY.to_owned()),
        secret(paths::ENCRYPTION_CONFIG.to_owned()),
    )?;
    let encryption = encryption_key(&encryption).ok_or_else(|| {
        Error::failed(format!("`{}` of node `{node}` is not what knarr wrote", paths::ENCRYPTION_CONFIG))
    })?;
    Roots::from_pem(cluster, etcd, front_proxy, SecretPem::new(account.to_string()), encryption)
}

fn encryption_key(text: &str) -> Option<EncryptionKey> {
    let config: Value = serde_json::from_str(text).ok()?;
    EncryptionKey::from_base64(config.pointer("/resources/0/providers/0/secretbox/keys/0/secret")?.as_str()?)
}

/// What a node has in its folders of certificates, by absolute path.
async fn files<E: Engine>(engine: &E, node: &str) -> Result<BTreeMap<String, Item>> {
    let folder = |path: &'static str| async move {
        let stream = engine.get_archive(node, path).await?;
        let items =
            archive::look(stream).await.map_err(|e| e.context(format!("cannot read `{path}` of node `{node}`")))?;
        // Docker names what it packs from the folder above.
        let above = path.rfind('/').map_or("", |at| &path[..at]);
        Ok::<_, Error>(items.into_iter().map(move |(name, item)| (format!("{above}/{name}"), item)))
    };
    let (one, other) = futures::future::try_join(folder(paths::PKI), folder(paths::KUBELET_PKI)).await?;
    Ok(one.chain(other).collect())
}

fn check_node(layout: &Layout, node: &NodeLayout, files: &BTreeMap<String, Item>, now: OffsetDateTime) -> Vec<Found> {
    let authorities: BTreeMap<Authority, String> = [
        (Authority::Cluster, paths::CA),
        (Authority::Etcd, paths::ETCD_CA),
        (Authority::FrontProxy, paths::FRONT_PROXY_CA),
    ]
    .into_iter()
    .filter_map(|(authority, path)| Some((authority, text(files, path)?)))
    .collect();
    let mut found = Vec::new();
    for file in render::files(layout, node) {
        let (Wanted::Certificate(cert) | Wanted::CertificateAndKey(cert)) = file.content else { continue };
        // What the kubelet uses counts; it may have rotated what it was given.
        let path = if file.path == paths::KUBELET_CLIENT_ISSUED { paths::KUBELET_CLIENT.to_owned() } else { file.path };
        let checked = match (text(files, &path), authorities.get(&pki::authority_of(&cert))) {
            (None, _) => Checked::broken("the file is missing, or there is no certificate in it"),
            (_, None) => Checked::broken("its authority's certificate is missing"),
            (Some(pem), Some(authority)) => pki::check(&cert, layout, &pem, authority, now),
        };
        found.push(Found { node: node.spec.name.to_string(), path, cert, checked });
    }
    found
}

/// The certificates in a file, without the key that may stand behind them; through at most one link.
fn text(files: &BTreeMap<String, Item>, path: &str) -> Option<String> {
    let mut content = &files.get(path)?.content;
    if let Content::Link(target) = content {
        let folder = path.rfind('/').map_or("", |at| &path[..at]);
        let target = if target.starts_with('/') { target.clone() } else { format!("{folder}/{target}") };
        content = &files.get(&target)?.content;
    }
    let Content::File(bytes) = content else { return None };
    let end = "-----END CERTIFICATE-----";
    let whole = std::str::from_utf8(bytes).ok()?;
    let from = whole.find("-----BEGIN CERTIFICATE-----")?;
    let to = whole[from..].find(end)? + from + end.len();
    Some(format!("{}\n", &whole[from..to]))
}
