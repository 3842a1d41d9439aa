//! kubectl for people without one: the node image's own, run on this machine so that files, port-forward and editors
//! work as usual. Where that is impossible (another architecture) it runs inside the control plane.

use std::path::PathBuf;

use super::{Session, blocking, exec, kubeconfig as access};
use crate::cli::args::Kubectl;
use crate::cluster::{self, Cluster};
use crate::engine::{Engine, archive};
use crate::error::{Error, Result};
use crate::fs;
use crate::kubeconfig::{self, Entry};
use crate::node::paths::{ADMIN_CONF, program};
use crate::process;

/// Runs `knarr kubectl`.
pub async fn run(session: &Session<impl Engine>, args: Kubectl) -> Result<u8> {
    let engine = session.engine().await?;
    let name = session.cluster(args.name.as_deref())?;
    let preparing = prepare(session, &*engine, &name);
    let (node, here) = session.unless_interrupted("stopped before kubectl was started", preparing).await?;
    let Some((kubectl, entry)) = here else {
        let mut argv = vec!["kubectl".to_owned(), format!("--kubeconfig={ADMIN_CONF}")];
        argv.extend(args.args);
        return exec::attached(session, &*engine, &node, argv).await;
    };
    // The credentials stay in memory: kubectl reads them through an open file that has no name on any disk.
    process::run_with_secret_file(&kubectl, &args.args, "KUBECONFIG", kubeconfig::render(&entry).as_bytes())
}

/// The control plane, and, where kubectl can run on this machine, its program and the access it needs.
async fn prepare<E: Engine>(
    session: &Session<E>,
    engine: &E,
    name: &str,
) -> Result<(String, Option<(PathBuf, Entry)>)> {
    let cluster = cluster::find(engine, name).await?;
    let node = cluster.control_plane()?.name.clone();
    let info = engine.info().await?;
    // Docker speaks of `amd64` where Rust says `x86_64`.
    let same = matches!((std::env::consts::ARCH, info.arch.as_str()), ("x86_64", "amd64") | ("aarch64", "arm64"));
    if !same {
        return Ok((node, None));
    }
    let Some(kubectl) = kubectl_here(session, engine, &cluster, &node).await? else { return Ok((node, None)) };
    let entry = access::entry_of(engine, &cluster, false).await?;
    Ok((node, Some((kubectl, entry))))
}

/// The node image's kubectl in this user's cache, copied there at the first use; none without a cache folder.
async fn kubectl_here<E: Engine>(
    session: &Session<E>,
    engine: &E,
    cluster: &Cluster,
    node: &str,
) -> Result<Option<PathBuf>> {
    let Some(cache) = &session.environment.cache_dir else { return Ok(None) };
    // An image of the same name may be built anew, so the image's id names the copy.
    let Some(image) = engine.find_image(&cluster.control_plane()?.image).await? else { return Ok(None) };
    let id: String = image.id.trim_start_matches("sha256:").chars().take(12).collect();
    let folder = cache.join("kubectl").join(id);
    let path = folder.join("kubectl");
    if fs::facts(&path)?.is_some() {
        return Ok(Some(path));
    }
    let step = session.steps().start("copying kubectl out of the node image");
    // kubectl is a link to the program that holds all of Kubernetes; that program knows by its name what to be.
    let bytes = archive::read_one(engine.get_archive(node, &program("kube")).await?).await?;
    let (target, owner) = (path.clone(), session.environment.sudo_owner);
    blocking(move || {
        fs::create_dir_all(&folder, 0o755, owner)?;
        let partial = folder.join(format!("kubectl.{}", std::process::id()));
        fs::write(&partial, &bytes, 0o755)?;
        fs::rename(&partial, &target)
    })
    .await
    .map_err(|e: Error| e.context("cannot keep a copy of kubectl"))?;
    step.done("copied kubectl out of the node image");
    Ok(Some(path))
}
