//! Loads images into nodes: one stream, all nodes at once, verified on every node, any failure counts.

use std::io::Seek;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Session;
use crate::cli::args::Load;
use crate::cluster::{self, Cluster};
use crate::engine::{ByteStream, Engine, ExecOutput, ExecSpec, FREE_DISK};
use crate::error::{Error, ErrorKind, Result};
use crate::fs;
use crate::image::archive;
use crate::image::reference::full_name;
use crate::report::some;

/// How long the CRI plugin may take to notice a new image.
const CRI_TAKES_OVER: Duration = Duration::from_secs(5);
/// Between two looks at it.
const RETRY: Duration = Duration::from_millis(50);
/// How many pieces of the stream may wait for the slowest node.
const AHEAD: usize = 16;

/// What was loaded, and into which nodes.
#[derive(Serialize)]
pub struct Loaded {
    images: Vec<String>,
    nodes: Vec<String>,
}

/// Runs `knarr load …`.
pub async fn run(session: &Session<impl Engine>, what: Load) -> Result<()> {
    let engine = session.engine().await?;
    match what {
        Load::DockerImage { images, cluster, nodes } => {
            let cluster = cluster::find(&*engine, &session.cluster(cluster.name.as_deref())?).await?;
            let nodes = choose(&cluster, &nodes)?;
            report(session, &from_docker(session, engine, nodes, &images).await?)
        }
        Load::ImageArchive { file, cluster, nodes } => {
            let cluster = cluster::find(&*engine, &session.cluster(cluster.name.as_deref())?).await?;
            let nodes = choose(&cluster, &nodes)?;
            let (names, stream) = super::blocking(move || open(&file)).await?;
            report(session, &load(session, engine, nodes, names, stream).await?)
        }
    }
}

fn report(session: &Session<impl Engine>, loaded: &Loaded) -> Result<()> {
    if session.json() { session.print_json(loaded) } else { Ok(()) }
}

/// Loads images of the host's Docker into nodes.
pub async fn from_docker<E: Engine>(
    session: &Session<E>,
    engine: Arc<E>,
    nodes: Vec<String>,
    images: &[String],
) -> Result<Loaded> {
    let info = engine.info().await?;
    for image in images {
        let Some(found) = engine.find_image(image).await? else {
            return Err(Error::new(ErrorKind::NotFound, format!("image `{image}` is not in the host's Docker"))
                .state("nothing was loaded")
                .hint(format!("see what is there with `docker images`, or fetch it with `docker pull {image}`")));
        };
        if !found.arch.is_empty() && found.arch != info.arch {
            return Err(Error::new(
                ErrorKind::Environment,
                format!("image `{image}` is for {}, the nodes are {}", found.arch, info.arch),
            )
            .state("nothing was loaded")
            .hint(format!("fetch the right one with `docker pull --platform linux/{} {image}`", info.arch)));
        }
    }
    let names = images.iter().map(|i| full_name(i)).collect();
    let stream = engine.save_images(images).await?;
    load(session, engine, nodes, names, stream).await
}

/// Whether every one of these nodes has an image.
pub async fn everywhere<E: Engine>(engine: &E, nodes: &[String], image: &str) -> Result<bool> {
    let name = full_name(image);
    for node in nodes {
        if !has(engine, node, &name).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads the names out of an archive first, so that a file that is no archive reaches no node.
fn open(file: &std::path::Path) -> Result<(Vec<String>, ByteStream)> {
    let bytes_from = |file: std::fs::File| -> ByteStream {
        let reader = tokio_util::io::ReaderStream::with_capacity(tokio::fs::File::from_std(file), 1 << 18);
        let shown = "image archive";
        Box::pin(reader.map(move |piece| {
            piece.map(|b| b.to_vec()).map_err(|e| {
                crate::engine::EngineError::new("read", shown, crate::engine::EngineErrorKind::Other, e.to_string())
            })
        }))
    };
    let shown = file.display();
    let unreadable = |e: &std::io::Error| Error::failed(format!("cannot read `{shown}`")).source(e);
    let mut whole = if file.as_os_str() == "-" { spooled().map_err(|e| unreadable(&e))? } else { fs::open(file)? };
    let names = archive::names(whole.try_clone().map_err(|e| unreadable(&e))?).map_err(|e| {
        e.context(format!("`{shown}` is not an image archive"))
            .state("nothing was loaded")
            .hint("write one with `docker save -o FILE IMAGE`")
    })?;
    whole.rewind().map_err(|e| unreadable(&e))?;
    Ok((names.iter().map(|n| full_name(n)).collect(), bytes_from(whole)))
}

/// stdin in a file without a name: it is read twice.
fn spooled() -> std::io::Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn choose(cluster: &Cluster, wanted: &[String]) -> Result<Vec<String>> {
    let running: Vec<String> = cluster.running_nodes()?.into_iter().map(|n| n.name.clone()).collect();
    if let Some(unknown) = wanted.iter().find(|w| !running.contains(w)) {
        return Err(Error::new(ErrorKind::NotFound, format!("cluster `{}` has no node `{unknown}`", cluster.name))
            .cause(format!("its nodes are {}", running.join(", ")))
            .state("nothing was loaded"));
    }
    Ok(if wanted.is_empty() { running } else { wanted.to_vec() })
}

async fn load<E: Engine>(
    session: &Session<E>,
    engine: Arc<E>,
    nodes: Vec<String>,
    names: Vec<String>,
    mut stream: ByteStream,
) -> Result<Loaded> {
    let what = names.join(", ");
    let step = session.steps().start(format!("loading {what} into {}", some(nodes.len(), "node")));
    let mut pipes = Vec::new();
    let mut imports = Vec::new();
    for node in &nodes {
        let (pipe, pieces) = mpsc::channel::<Arc<Vec<u8>>>(AHEAD);
        pipes.push(Some(pipe));
        imports.push(tokio::spawn(import(Arc::clone(&engine), node.clone(), names.clone(), pieces)));
    }
    let mut source_error = None;
    let mut sent = 0_u64;
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(bytes) => {
                sent += bytes.len() as u64;
                let bytes = Arc::new(bytes);
                for slot in &mut pipes {
                    // An import that ended early tells why itself.
                    if let Some(pipe) = slot
                        && pipe.send(Arc::clone(&bytes)).await.is_err()
                    {
                        *slot = None;
                    }
                }
                step.progress(format!("{} MB sent", sent >> 20));
            }
            Err(e) => {
                source_error = Some(Error::from(e));
                break;
            }
        }
    }
    drop(pipes);
    let mut failures = Vec::new();
    for (node, import) in nodes.iter().zip(imports) {
        match import.await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => failures.push(format!("node `{node}`: {}", e.causes.last().unwrap_or(&e.message))),
            Err(e) => failures.push(format!("node `{node}`: {e}")),
        }
    }
    if let Some(e) = source_error {
        return Err(e.context(format!("cannot read {what}")));
    }
    if !failures.is_empty() {
        let message = format!("{what} could not be loaded into {} of {} nodes", failures.len(), nodes.len());
        let full = failures.iter().any(|failure| failure.contains("no space left on device"));
        let kind = if full { ErrorKind::Environment } else { ErrorKind::Failed };
        let error = failures.into_iter().fold(Error::new(kind, message), Error::cause);
        return Err(if full { error.hint(FREE_DISK) } else { error });
    }
    step.done(format!("loaded {what} into {}", some(nodes.len(), "node")));
    Ok(Loaded { images: names, nodes })
}

/// Feeds one node's containerd and checks that its CRI side then knows every image.
async fn import<E: Engine>(
    engine: Arc<E>,
    node: String,
    names: Vec<String>,
    mut pieces: mpsc::Receiver<Arc<Vec<u8>>>,
) -> Result<()> {
    // The node's own platform only: archives of Docker's newer image store name blobs that they do not hold.
    let mut spec = ExecSpec::new(["ctr", "--namespace=k8s.io", "images", "import", "--local", "--digests", "-"]);
    spec.attach_stdin = true;
    let mut exec = engine.exec_attached(&node, &spec).await?;
    let feed = async {
        while let Some(piece) = pieces.recv().await {
            if exec.input.write_all(&piece).await.is_err() {
                break;
            }
        }
        // Importers that died say so by their status.
        let _ = exec.input.shutdown().await;
        drop(exec.input);
    };
    let listen = async {
        let mut said = Vec::new();
        while let Some(piece) = exec.output.next().await {
            if let ExecOutput::Stderr(bytes) = piece? {
                said.extend_from_slice(&bytes);
            }
        }
        Ok::<Vec<u8>, Error>(said)
    };
    let mut listen = std::pin::pin!(listen);
    // An import that died reads no more, and Docker would hold what is written to it until it loses patience.
    let said = tokio::select! {
        said = &mut listen => said?,
        () = feed => listen.await?,
    };
    if engine.exec_status(&exec.id).await? != 0 {
        let text = String::from_utf8_lossy(&said);
        return Err(Error::failed("containerd refused it").cause(text.lines().last().unwrap_or("no reason given")));
    }
    for name in names {
        known_to_cri(&*engine, &node, &name).await?;
    }
    Ok(())
}

/// Waits until the CRI plugin has taken the image over, which it does shortly after the import: it marks every image that
/// the kubelet can use with a label of its own.
async fn known_to_cri<E: Engine>(engine: &E, node: &str, name: &str) -> Result<()> {
    let deadline = Instant::now() + CRI_TAKES_OVER;
    while Instant::now() < deadline {
        if has(engine, node, name).await? {
            return Ok(());
        }
        tokio::time::sleep(RETRY).await;
    }
    Err(Error::failed("the image is not there after the import").cause(format!("`{name}` is unknown to its CRI")))
}

/// Whether the CRI plugin of a node knows an image by its full name.
async fn has<E: Engine>(engine: &E, node: &str, name: &str) -> Result<bool> {
    let filter = format!("name=={name}");
    let list = ExecSpec::new(["ctr", "--namespace=k8s.io", "images", "list", filter.as_str()]);
    let outcome = engine.exec(node, &list).await?;
    Ok(String::from_utf8_lossy(&outcome.stdout).contains("io.cri-containerd.image=managed"))
}
