//! The first contact: who answers, may we speak, and which version of the API do both sides know.
//!
//! Docker's ping is asked by hand because everything we want is in its headers, which bollard does not show, and because
//! a socket of our own tells precisely why it could not be opened.

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::address::Address;
use super::errors::{of_io, translate};
use crate::engine::{EngineError, EngineErrorKind};
use crate::error::{Error, ErrorKind, Result};

/// How long the first contact may take altogether.
const FIRST_CONTACT: Duration = Duration::from_millis(1900);
/// How long an ordinary call may take until its answer begins, in seconds.
const ORDINARY: u64 = 120;
/// The oldest API that has private cgroup namespaces: Docker 20.10.
const OLDEST: (usize, usize) = (1, 41);
/// More headers than any ping has.
const MOST_HEADERS: u64 = 16 * 1024;

/// What a ping tells.
#[derive(Debug, PartialEq, Eq)]
struct Pong {
    api: (usize, usize),
    os: String,
    server: String,
}

/// Pings Docker and makes a client of the newest API that both sides know.
pub(super) async fn connect(address: &Address) -> Result<(Docker, (usize, usize))> {
    let url = address.url();
    let pong = match tokio::time::timeout(FIRST_CONTACT, ping(address)).await {
        Ok(pong) => pong?,
        Err(_) => {
            return Err(Error::new(ErrorKind::Environment, format!("cannot reach Docker at `{url}`"))
                .cause("it did not answer within 2 seconds")
                .hint("see how Docker is with `sudo systemctl status docker`, and restart it if it hangs"));
        }
    };
    if pong.os.eq_ignore_ascii_case("windows") {
        return Err(Error::new(ErrorKind::Environment, format!("cannot use Docker at `{url}`"))
            .cause("it runs Windows containers, and nodes are Linux containers")
            .hint("switch Docker Desktop to Linux containers (`docker context ls` shows what else there is)"));
    }
    if pong.api < OLDEST {
        return Err(Error::new(ErrorKind::Environment, format!("cannot use Docker at `{url}`"))
            .cause(format!(
                "it is too old: `{}` speaks API {}.{}, and knarr needs {}.{}",
                pong.server, pong.api.0, pong.api.1, OLDEST.0, OLDEST.1
            ))
            .hint("install Docker 20.10 or newer, and see what runs with `docker version`"));
    }
    let newest = (API_DEFAULT_VERSION.major_version, API_DEFAULT_VERSION.minor_version);
    let api = pong.api.min(newest);
    let version = ClientVersion { major_version: api.0, minor_version: api.1 };
    let client = match address {
        Address::Unix(path) => Docker::connect_with_unix(&path.display().to_string(), ORDINARY, &version),
        Address::Tcp(authority) => Docker::connect_with_http(authority, ORDINARY, &version),
    };
    let client = client.map_err(|e| Error::from(translate("reach Docker at", &url, &e)))?;
    Ok((client.with_request_modifier(move |request| versioned(request, api)), api))
}

/// Puts the API's version before the path.
///
/// bollard computes that prefix but loses it when it joins the path, so that every request would be for whatever API is
/// newest in the daemon, and a daemon newer than bollard could answer in a form that bollard cannot read.
fn versioned(mut request: BollardRequest, (major, minor): (usize, usize)) -> BollardRequest {
    let prefix = format!("/v{major}.{minor}");
    let mut parts = request.uri().clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |p| p.as_str());
    if path.starts_with(&format!("{prefix}/")) {
        return request;
    }
    parts.path_and_query = format!("{prefix}{path}").parse().ok();
    if let Ok(uri) = parts.try_into() {
        *request.uri_mut() = uri;
    }
    request
}

/// Opens a connection of its own and asks for a ping.
async fn ping(address: &Address) -> Result<Pong> {
    let url = address.url();
    let failed = |kind, detail: &str| Error::from(EngineError::new("reach Docker at", url.clone(), kind, detail));
    let opened = match address {
        Address::Unix(path) => UnixStream::connect(path).await.map(|s| Box::pin(s) as BoxedStream),
        Address::Tcp(authority) => TcpStream::connect(authority).await.map(|s| Box::pin(s) as BoxedStream),
    };
    let answer = match opened {
        Ok(stream) => ask(stream).await,
        Err(e) => Err(e),
    };
    let answer = answer.map_err(|e| {
        let absent = matches!(address, Address::Unix(_)) && e.kind() == std::io::ErrorKind::NotFound;
        match (e.kind(), of_io(e.kind())) {
            _ if absent => failed(EngineErrorKind::Unreachable, "the socket does not exist"),
            (std::io::ErrorKind::ConnectionRefused, kind) => failed(kind, "nobody listens there: connection refused"),
            (_, EngineErrorKind::Denied) => failed(EngineErrorKind::Denied, "permission denied on the socket"),
            (_, kind) => failed(kind, &e.to_string()),
        }
    })?;
    read_pong(&answer).map_err(|why| failed(EngineErrorKind::Unreachable, &why))
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}
type BoxedStream = std::pin::Pin<Box<dyn Stream>>;

async fn ask(mut stream: BoxedStream) -> std::io::Result<String> {
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(MOST_HEADERS).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Reads the headers of the answer to a ping, or says why it is none.
fn read_pong(answer: &str) -> std::result::Result<Pong, String> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let code = status.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with("HTTP/") || code.is_empty() {
        return Err("what answers there is not Docker".to_owned());
    }
    if code == "400" && answer.contains("HTTPS server") {
        return Err("it speaks TLS, and knarr does not speak TLS to Docker".to_owned());
    }
    if !code.starts_with('2') {
        return Err(format!("it answered with `{status}`"));
    }
    let api = header("api-version").ok_or("what answers there is not Docker")?;
    let number = api.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    Ok(Pong {
        api: number.ok_or_else(|| format!("it says that its API is `{api}`"))?,
        os: header("ostype").unwrap_or_default(),
        server: header("server").unwrap_or_else(|| "Docker".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use tokio::net::UnixListener;

    use super::*;

    /// A server on `path` that gives everybody the same answer and returns the first request line of each.
    fn serve(path: &Path, answer: &'static str) -> tokio::sync::mpsc::UnboundedReceiver<String> {
        let listener = UnixListener::bind(path).unwrap();
        let (heard, lines) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
                heard.send(request.lines().next().unwrap_or_default().to_owned()).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        lines
    }

    async fn refused(answer: &'static str) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _lines = serve(&socket, answer);
        let mut error = connect(&Address::Unix(socket)).await.unwrap_err();
        error.message = error.message.replace(&folder.path().display().to_string(), "");
        error
    }

    #[tokio::test]
    async fn says_why_nobody_answers() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let absent = connect(&Address::Unix(socket.clone())).await.unwrap_err();
        assert_eq!(absent.causes, ["the socket does not exist"]);
        assert_eq!(absent.kind, ErrorKind::Environment);
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let refused = connect(&Address::Unix(socket)).await.unwrap_err();
        assert_eq!(refused.causes, ["nobody listens there: connection refused"]);
        assert_eq!(refused.hints.len(), 1);
    }

    #[tokio::test]
    async fn does_not_wait_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let since = Instant::now();
        let error = connect(&Address::Unix(socket)).await.unwrap_err();
        assert_eq!(error.causes, ["it did not answer within 2 seconds"]);
        assert_eq!(error.kind, ErrorKind::Environment);
        assert!(since.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test]
    async fn refuses_what_it_cannot_use() {
        let old = "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nOstype: linux\r\nServer: Docker/19.03.15\r\n\r\nOK";
        insta::assert_snapshot!(refused(old).await, @r"
        error: cannot use Docker at `unix:///s`
          caused by: it is too old: `Docker/19.03.15` speaks API 1.40, and knarr needs 1.41
        hint: install Docker 20.10 or newer, and see what runs with `docker version`
        ");
        let windows = "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nOSType: windows\r\n\r\nOK";
        assert_eq!(refused(windows).await.causes, ["it runs Windows containers, and nodes are Linux containers"]);
        assert_eq!(refused("hello\n").await.causes, ["what answers there is not Docker"]);
        assert_eq!(refused("HTTP/1.1 200 OK\r\n\r\nOK").await.causes, ["what answers there is not Docker"]);
        let tls = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        assert_eq!(refused(tls).await.causes, ["it speaks TLS, and knarr does not speak TLS to Docker"]);
        let broken = "HTTP/1.1 500 Internal Server Error\r\nApi-Version: 1.45\r\n\r\n";
        assert_eq!(refused(broken).await.causes, ["it answered with `HTTP/1.1 500 Internal Server Error`"]);
    }

    #[tokio::test]
    async fn requests_carry_the_version_that_both_sides_know() {
        for (answer, version) in [
            ("HTTP/1.1 200 OK\r\nApi-Version: 1.44\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", "1.44"),
            ("HTTP/1.1 200 OK\r\nApi-Version: 9.99\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", "1.53"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("s");
            let mut lines = serve(&socket, answer);
            let (client, _) = connect(&Address::Unix(socket)).await.unwrap();
            client.list_networks(None).await.unwrap();
            assert_eq!(lines.recv().await.unwrap(), "GET /_ping HTTP/1.1");
            assert_eq!(lines.recv().await.unwrap(), format!("GET /v{version}/networks HTTP/1.1"));
        }
    }
}
