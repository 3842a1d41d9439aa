//! Clients that curl is not: one that keeps its connection and never tries twice, and one that speaks WebSocket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// A client that sends one request after the other on one connection until the server says that it closes.
pub struct Keeping {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Keeping {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// One request; anything but an answer with status 200 is an error.
    pub fn ask(&mut self, method: &str, host: &str, path: &str) -> Result<(), String> {
        let fresh = self.connection.is_none();
        let (keep, status) =
            self.try_ask(method, host, path).map_err(|why| format!("{method} (fresh: {fresh}): {why}"))?;
        if !keep {
            self.connection = None;
        }
        if status == 200 { Ok(()) } else { Err(format!("{method}: status {status}")) }
    }

    fn try_ask(&mut self, method: &str, host: &str, path: &str) -> Result<(bool, u16), String> {
        let mut connection = if let Some(kept) = self.connection.take() {
            kept
        } else {
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE).map_err(|e| e.to_string())?;
            stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
            BufReader::new(stream)
        };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        connection.get_mut().write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        let (mut status, mut length, mut keep) = (0, 0, true);
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).map_err(|e| e.to_string())?;
            let lower = line.to_ascii_lowercase();
            if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0);
            } else if let Some(rest) = lower.strip_prefix("content-length:") {
                length = rest.trim().parse().map_err(|_| line.clone())?;
            } else if lower.starts_with("connection:") && lower.contains("close") {
                keep = false;
            } else if line.trim().is_empty() {
                break;
            }
        }
        if status == 0 {
            return Err("the connection ended without an answer".into());
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).map_err(|e| e.to_string())?;
        self.connection = Some(connection);
        Ok((keep, status))
    }
}

/// Opens a WebSocket, sends a text, returns what comes back.
pub fn web_socket(address: SocketAddr, host: &str, path: &str, message: &str) -> Result<String, String> {
    let fail = |e: std::io::Error| e.to_string();
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
    let mut stream = BufReader::new(stream);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a25hcnIga25hcnIga25hcg==\r\n\r\n"
    );
    stream.get_mut().write_all(request.as_bytes()).map_err(fail)?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).map_err(fail)? == 0 {
            break;
        }
    }
    if !head.starts_with("HTTP/1.1 101") {
        return Err(head);
    }
    // A frame with a text; clients must mask theirs, and zeros are a mask.
    let length = u8::try_from(message.len()).ok().filter(|length| *length < 126).ok_or("too long")?;
    let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], message.as_bytes()].concat();
    stream.get_mut().write_all(&frame).map_err(fail)?;
    let mut start = [0; 2];
    stream.read_exact(&mut start).map_err(fail)?;
    let mut back = vec![0; usize::from(start[1] & 0x7f)];
    stream.read_exact(&mut back).map_err(fail)?;
    String::from_utf8(back).map_err(|e| e.to_string())
}
