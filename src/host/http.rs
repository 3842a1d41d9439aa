//! Does something answer over HTTP, seen from this machine?

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::error::{Error, ErrorKind, Result};

/// Between two tries. From outside there is nothing to watch before something answers.
const RETRY: Duration = Duration::from_millis(50);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks until a GET is answered with success; the caller bounds the time.
///
/// # Errors
/// When the URL is not one.
pub async fn until_http_answers(url: &str) -> Result<()> {
    let uri: ::http::Uri =
        url.parse().map_err(|e| Error::new(ErrorKind::Bug, format!("`{url}` is not a URL")).source(&e))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    loop {
        let answer = tokio::time::timeout(PATIENCE, client.get(uri.clone())).await;
        if matches!(answer, Ok(Ok(answer)) if answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn waits_for_a_success() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let server = tokio::spawn(async move {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut socket, _) = listener.accept().await.expect("accepts");
                let mut request = [0; 1024];
                let _ = socket.read(&mut request).await.expect("reads");
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.expect("writes");
            }
        });
        until_http_answers(&url).await.expect("answers in the end");
        server.await.expect("both tries were made");
    }
}
