//! One GET over HTTP or HTTPS, of whose answer only the status counts.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::fault::{Context, Fault, Result};

/// A server that has bound its port but is not serving yet lets its clients wait; this is how long they do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to ask, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `http://…` or `https://…`; the host is an IP address or `localhost`.
    pub url: &'a str,
    /// The file of the CA that must have signed the server's certificate.
    pub ca: Option<&'a str>,
    /// The file of the client's certificate, with its key if `key` is none.
    pub cert: Option<&'a str>,
    /// The file of the client's key.
    pub key: Option<&'a str>,
}

/// A URL in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    tls: bool,
    host: &'a str,
    address: SocketAddr,
    path: &'a str,
}

/// Asks once and returns the status.
pub fn status(request: &Request<'_>) -> Result<u16> {
    let target = parse(request.url)?;
    let what = || request.url;
    // The files are read each time: they may not have been there before, or have been renewed.
    let session = if target.tls { Some(session(request, &target)?) } else { None };
    let stream = TcpStream::connect_timeout(&target.address, PATIENCE).context(what)?;
    stream.set_read_timeout(Some(PATIENCE)).context(what)?;
    stream.set_write_timeout(Some(PATIENCE)).context(what)?;
    stream.set_nodelay(true).context(what)?;
    match session {
        Some(session) => exchange(StreamOwned::new(session, stream), &target),
        None => exchange(stream, &target),
    }
    .context(what)
}

fn exchange(mut stream: impl Read + Write, target: &Target<'_>) -> Result<u16> {
    let Target { host, path, .. } = target;
    let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).context(|| "asking")?;
    // `HTTP/1.1 200`: nothing after it is of interest.
    let mut start = [0; 12];
    stream.read_exact(&mut start).context(|| "reading the answer")?;
    let status = std::str::from_utf8(&start).ok().filter(|text| text.starts_with("HTTP/1."));
    status.and_then(|text| text[9..].parse().ok()).ok_or_else(|| Fault::new("the answer is not HTTP"))
}

fn parse(url: &str) -> Result<Target<'_>> {
    let bad = |why: &str| Fault::new(format!("{url}: {why}"));
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(bad("neither http nor https")),
    };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(bad("the path has blanks"));
    }
    let default = if tls { 443 } else { 80 };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            (name, port.parse().map_err(|_| bad("the port is not a number"))?)
        }
        _ => (host, default),
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    // Names are not looked up: a gate is about an address of this cluster, and must not depend on a name server.
    let ip = match name {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => name.parse().map_err(|_| bad("the host is not an IP address"))?,
    };
    Ok(Target { tls, host: name, address: SocketAddr::new(ip, port), path })
}

fn session(request: &Request<'_>, target: &Target<'_>) -> Result<ClientConnection> {
    let ca = request.ca.ok_or_else(|| Fault::new(format!("{}: https needs a CA file", request.url)))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).context(|| ca)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.context(|| "TLS")?.with_root_certificates(roots);
    let config = match request.cert {
        Some(cert) => {
            let key = request.key.unwrap_or(cert);
            let key = PrivateKeyDer::from_pem_slice(&read(key)?).context(|| key)?;
            builder.with_client_auth_cert(certificates(cert)?, key).context(|| cert)?
        }
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from(target.host.to_owned()).context(|| target.host)?;
    ClientConnection::new(Arc::new(config), name).context(|| "TLS")
}

fn read(path: &str) -> Result<Vec<u8>> {
    fs::read(path).context(|| path)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.context(|| path)?;
    if found.is_empty() {
        return Err(Fault::new(format!("{path} holds no certificate")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;
    use crate::scratch::Scratch;

    fn plain(url: &str) -> Request<'_> {
        Request { url, ca: None, cert: None, key: None }
    }

    #[test]
    fn urls_are_taken_apart() {
        let target = parse("https://10.0.0.2:6443/readyz?verbose").expect("good");
        assert_eq!(
            (target.tls, target.path, target.address.to_string().as_str()),
            (true, "/readyz?verbose", "10.0.0.2:6443")
        );
        assert_eq!(parse("http://localhost").expect("good").address.to_string(), "127.0.0.1:80");
        assert_eq!(parse("https://[::1]/x").expect("good").address.to_string(), "[::1]:443");
        for bad in ["ftp://1.2.3.4/", "1.2.3.4", "http://name/", "http://1.2.3.4:x/", "http://1.2.3.4/a b", "http://"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for (answer, expected) in [("HTTP/1.1 204 No\r\n\r\n", Some(204)), ("SSH-2.0-x y z 123", None), ("HTTP", None)]
        {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
            let url = format!("http://{}/", listener.local_addr().expect("an address"));
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a client");
                let _ = stream.read(&mut [0; 1024]);
                stream.write_all(answer.as_bytes()).expect("written");
            });
            assert_eq!(status(&plain(&url)).ok(), expected, "{answer}");
            server.join().expect("no panic");
        }
    }

    /// A CA, and a server that asks for its clients' certificates.
    struct Tls {
        scratch: Scratch,
        port: u16,
    }

    fn leaf(ca: &CertifiedIssuer<'_, KeyPair>, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, ca).expect("signed").pem(), key)
    }

    fn tls() -> Tls {
        let scratch = Scratch::new();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let (client, client_key) = leaf(&ca, "client", ExtendedKeyUsagePurpose::ClientAuth);
        let (server, server_key) = leaf(&ca, "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        fs::write(scratch.path("ca.crt"), ca.pem()).expect("written");
        fs::write(scratch.path("client.pem"), client + &client_key.serialize_pem()).expect("written");

        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().expect("one");
        let chain = vec![CertificateDer::from_pem_slice(server.as_bytes()).expect("parsed")];
        let key = PrivateKeyDer::from_pem_slice(server_key.serialize_pem().as_bytes()).expect("parsed");
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        let config =
            Arc::new(config.with_client_cert_verifier(verifier).with_single_cert(chain, key).expect("a config"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).expect("a session"), stream);
                if stream.read(&mut [0; 1024]).is_ok() {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            }
        });
        Tls { scratch, port }
    }

    #[test]
    fn both_sides_must_be_known_and_the_name_must_fit() {
        let tls = tls();
        let file = |name: &str| tls.scratch.path(name).display().to_string();
        let (url, ca, client) = (format!("https://127.0.0.1:{}/", tls.port), file("ca.crt"), file("client.pem"));
        let good = Request { url: &url, ca: Some(&ca), cert: Some(&client), key: None };
        assert_eq!(status(&good), Ok(200));
        assert_eq!(status(&Request { key: Some(&client), ..good }), Ok(200));
        let nobody = Request { cert: None, ..good };
        assert!(status(&nobody).is_err(), "a client without certificate");
        let elsewhere = format!("https://localhost:{}/", tls.port);
        let fault = status(&Request { url: &elsewhere, ..good }).expect_err("another name").to_string();
        assert!(fault.contains("not valid for name"), "{fault}");
        let other = self::tls();
        let ca = other.scratch.path("ca.crt").display().to_string();
        let fault = status(&Request { ca: Some(&ca), ..good }).expect_err("another CA").to_string();
        assert!(fault.contains("certificate"), "{fault}");
        assert!(status(&Request { ca: None, ..good }).is_err(), "no CA");
    }
}
