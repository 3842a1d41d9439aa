use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::kubernetes::fake::FakeKubernetes;

struct Served {
    address: SocketAddr,
    token: String,
}

async fn serve() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let secret = Secret::new(address);
    let token = secret.url().split_once("token=").expect("the address carries it").1.to_owned();
    let router = router("dev", secret, Arc::new(FakeKubernetes::default()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Served { address, token }
}

impl Served {
    async fn ask(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    fn cookie(&self) -> String {
        format!("Cookie: other=1; knarr-{}={}", self.address.port(), self.token)
    }
}

#[tokio::test]
async fn the_printed_address_opens_it_and_nothing_else_does() {
    let served = serve().await;
    let (host, cookie) = (format!("Host: {}", served.address), served.cookie());
    let first = served.ask(&format!("GET /?token={} HTTP/1.1\r\n{host}", served.token)).await;
    assert!(first.starts_with("HTTP/1.1 303"), "{first}");
    assert!(first.contains("HttpOnly; SameSite=Strict"), "{first}");

    let page = served.ask(&format!("GET / HTTP/1.1\r\n{host}\r\n{cookie}")).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("content-security-policy"), "{page}");

    let without = served.ask(&format!("GET / HTTP/1.1\r\n{host}")).await;
    assert!(without.starts_with("HTTP/1.1 401"), "{without}");
    let wrong = served.ask(&format!("GET /?token=x HTTP/1.1\r\n{host}")).await;
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    let foreign = served.ask(&format!("GET / HTTP/1.1\r\nHost: evil.example:80\r\n{cookie}")).await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
}

#[tokio::test]
async fn the_api_is_handed_through_and_changes_need_the_pages() {
    let served = serve().await;
    let head = format!("Host: {}\r\n{}", served.address, served.cookie());
    let read = served.ask(&format!("GET /kubernetes/api/v1/pods?limit=1 HTTP/1.1\r\n{head}")).await;
    assert!(read.contains("GET /api/v1/pods?limit=1"), "{read}");
    let secrets = served.ask(&format!("GET /kubernetes/api/v1/secrets HTTP/1.1\r\n{head}")).await;
    assert!(secrets.starts_with("HTTP/1.1 403"), "{secrets}");
    let path = "/kubernetes/api/v1/namespaces/a/pods/b";
    let forged = served.ask(&format!("DELETE {path} HTTP/1.1\r\n{head}")).await;
    assert!(forged.starts_with("HTTP/1.1 403"), "{forged}");
    let own = served.ask(&format!("DELETE {path} HTTP/1.1\r\n{head}\r\nX-Knarr: 1")).await;
    assert!(own.contains("DELETE /api/v1/namespaces/a/pods/b"), "{own}");
}
