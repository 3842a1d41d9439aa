//! Archives in and out: files of containers, saved images.

use std::io;

use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use futures::{Stream, StreamExt};
use tokio_util::bytes::Bytes;
use zeroize::Zeroizing;

use super::DockerEngine;
use super::errors::translate;
use crate::engine::{ByteStream, EngineResult, op};

/// How much of an archive is handed to the connection at a time.
const PIECE: usize = 256 * 1024;

/// A stream of ours as bollard wants the body of a request.
pub(super) fn pieces(stream: ByteStream) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream.map(|piece| piece.map(Bytes::from).map_err(io::Error::other))
}

pub(super) async fn put(engine: &DockerEngine, container: &str, path: &str, tar: Vec<u8>) -> EngineResult<()> {
    // A stream, never one body: bollard writes whole bodies to its trace log, and this one may hold private keys.
    // The pieces share the one buffer, which is wiped when the last of them is gone.
    let mut rest = Bytes::from_owner(Zeroizing::new(tar));
    let mut pieces = Vec::with_capacity(rest.len() / PIECE + 1);
    while !rest.is_empty() {
        pieces.push(Ok(rest.split_to(rest.len().min(PIECE))));
    }
    let body = bollard::body_try_stream(futures::stream::iter(pieces));
    let options = UploadToContainerOptions { path: path.to_owned(), ..UploadToContainerOptions::default() };
    let put = engine.patient.upload_to_container(container, Some(options), body).await;
    put.map_err(|e| translate(op::PUT_ARCHIVE, container, &e))
}

pub(super) async fn put_stream(
    engine: &DockerEngine,
    container: &str,
    path: &str,
    tar: ByteStream,
) -> EngineResult<()> {
    let body = bollard::body_try_stream(pieces(tar));
    let options = UploadToContainerOptions { path: path.to_owned(), ..UploadToContainerOptions::default() };
    let put = engine.patient.upload_to_container(container, Some(options), body).await;
    put.map_err(|e| translate(op::PUT_ARCHIVE, container, &e))
}

pub(super) async fn export(engine: &DockerEngine, container: &str) -> EngineResult<ByteStream> {
    let stream = engine.patient.export_container(container);
    opened(op::EXPORT_CONTAINER, container.to_owned(), stream).await
}

pub(super) async fn get(engine: &DockerEngine, container: &str, path: &str) -> EngineResult<ByteStream> {
    let options = DownloadFromContainerOptions { path: path.to_owned() };
    let stream = engine.patient.download_from_container(container, Some(options));
    opened(op::GET_ARCHIVE, container.to_owned(), stream).await
}

pub(super) async fn save(engine: &DockerEngine, references: &[String]) -> EngineResult<ByteStream> {
    let names: Vec<&str> = references.iter().map(String::as_str).collect();
    let stream = engine.patient.export_images(&names);
    opened(op::SAVE_IMAGES, references.join(", "), stream).await
}

/// Waits for the first piece, so that «not found» is the call's own error and not one in the middle of a stream.
async fn opened(
    operation: &'static str,
    object: String,
    stream: impl Stream<Item = Result<Bytes, bollard::errors::Error>> + Send + 'static,
) -> EngineResult<ByteStream> {
    let mut stream = Box::pin(stream.map(move |piece| match piece {
        Ok(bytes) => Ok(Vec::from(bytes)),
        Err(e) => Err(translate(operation, &object, &e)),
    }));
    let first = stream.next().await.transpose()?;
    Ok(Box::pin(futures::stream::iter(first.map(Ok)).chain(stream)))
}
