//! What bollard and the daemon say, translated into our kinds of failure. The only place that looks at their words.

use std::error::Error as _;
use std::io;

use bollard::errors::Error as BollardError;

use crate::engine::{EngineError, EngineErrorKind};

/// Translates a failed call.
pub(super) fn translate(operation: &'static str, object: &str, error: &BollardError) -> EngineError {
    let (kind, detail) = match error {
        BollardError::DockerResponseServerError { status_code, message } => {
            let message = message.trim();
            let detail = if message.is_empty() { format!("status {status_code}") } else { message.to_owned() };
            (classify(Some(*status_code), message), detail)
        }
        BollardError::DockerStreamError { error } => (classify(None, error), error.trim().to_owned()),
        BollardError::RequestTimeoutError => (EngineErrorKind::TimedOut, "Docker did not answer in time".to_owned()),
        BollardError::SocketNotFoundError(path) => {
            (EngineErrorKind::Unreachable, format!("the socket `{path}` does not exist"))
        }
        BollardError::HyperLegacyError { .. } | BollardError::HyperResponseError { .. } => broken_connection(error),
        // bollard tells the break of a stream in words only.
        BollardError::IOError { err } if err.to_string().contains("error reading a body") => {
            (EngineErrorKind::Unreachable, "the connection to Docker broke".to_owned())
        }
        BollardError::IOError { err } => (of_io(err.kind()), err.to_string()),
        other => (EngineErrorKind::Other, other.to_string()),
    };
    EngineError::new(operation, object, kind, detail)
}

/// The kind of failure behind an HTTP status, or behind a message in the middle of an answer (no status).
pub(super) fn classify(status: Option<u16>, text: &str) -> EngineErrorKind {
    // Daemons report these with whatever status the layer happened to have at hand (403, 404, 500, 502).
    if text.contains("port is already allocated") || text.contains("address already in use") {
        return EngineErrorKind::PortTaken;
    }
    // The same words with a capital come from address management, not from the kernel.
    let taken = ["Address already in use", "Pool overlaps", "networks have overlapping IPv4", "address pool"];
    if taken.iter().any(|words| text.contains(words)) {
        return EngineErrorKind::AddressTaken;
    }
    if text.contains("is ambiguous") {
        return EngineErrorKind::Ambiguous;
    }
    if text.contains("no space left on device") || text.contains("disk quota exceeded") {
        return EngineErrorKind::DiskFull;
    }
    // Without a status of its own: whatever the layer below had at hand.
    if text.contains("is not connected to") {
        return EngineErrorKind::NotFound;
    }
    match status {
        Some(401) => EngineErrorKind::Denied,
        Some(403) if text.contains("has active endpoints") => EngineErrorKind::Conflict,
        Some(403) if text.contains("authorization denied by plugin") => EngineErrorKind::Denied,
        Some(404) => EngineErrorKind::NotFound,
        Some(408 | 504) => EngineErrorKind::TimedOut,
        // Neither a taken name nor an object in use: the container is in no state for this.
        Some(409) if ["is not running", "is paused", "is restarting"].iter().any(|words| text.contains(words)) => {
            EngineErrorKind::Other
        }
        Some(409) => EngineErrorKind::Conflict,
        _ => EngineErrorKind::Other,
    }
}

/// Whether a removal was refused because another one of the same container is under way.
pub(super) fn removal_in_progress(error: &EngineError) -> bool {
    error.kind == EngineErrorKind::Conflict && error.detail.contains("is already in progress")
}

/// The kind of failure behind what the operating system says about a socket.
pub(super) fn of_io(kind: io::ErrorKind) -> EngineErrorKind {
    match kind {
        io::ErrorKind::PermissionDenied => EngineErrorKind::Denied,
        io::ErrorKind::TimedOut => EngineErrorKind::TimedOut,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => EngineErrorKind::DiskFull,
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::UnexpectedEof => EngineErrorKind::Unreachable,
        _ => EngineErrorKind::Other,
    }
}

/// A connection that could not be made or that broke: the innermost cause says it best.
fn broken_connection(error: &BollardError) -> (EngineErrorKind, String) {
    let mut kind = EngineErrorKind::Unreachable;
    let mut detail = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        detail = cause.to_string();
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            kind = of_io(io.kind());
        }
        next = cause.source();
    }
    (kind, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_words_give_kinds() {
        use EngineErrorKind::{AddressTaken, Conflict, Denied, DiskFull, NotFound, Other, PortTaken, TimedOut};
        // Texts of Docker 20.10 to 29.
        let table = [
            (404, "No such container: dev", NotFound),
            (404, "No such image: dev:1", NotFound),
            (404, "network dev not found", NotFound),
            (500, "container 1f is not connected to network dev", NotFound),
            (403, "container 1f is not connected to the network dev", NotFound),
            (409, "Conflict. The container name \"/dev\" is already in use by container \"1f\".", Conflict),
            (409, "Container 1f is not running", Other),
            (409, "Container 1f is restarting, wait until the container is running", Other),
            (409, "network with name dev already exists", Conflict),
            (409, "remove dev: volume is in use - [1f]", Conflict),
            (403, "error while removing network: network dev id 1f has active endpoints", Conflict),
            (403, "bridge is a pre-defined network and cannot be removed", Other),
            (403, "authorization denied by plugin x: no", Denied),
            (
                500,
                "driver failed programming external connectivity on endpoint dev (1f): Bind for 127.0.0.1:6443 failed: port is already allocated",
                PortTaken,
            ),
            (
                500,
                "driver failed programming external connectivity on endpoint dev (1f): Error starting userland proxy: listen tcp4 127.0.0.1:6443: bind: address already in use",
                PortTaken,
            ),
            (
                500,
                "failed to set up container networking: driver failed programming external connectivity on endpoint dev (1f): failed to bind host port 127.0.0.1:6443/tcp: address already in use",
                PortTaken,
            ),
            (403, "Address already in use", AddressTaken),
            (403, "failed to set up container networking: Address already in use", AddressTaken),
            (403, "Pool overlaps with other one on this address space", AddressTaken),
            (400, "invalid pool request: Pool overlaps with other one on this address space", AddressTaken),
            (
                403,
                "cannot create network 1f (br-1f): conflicts with network 2f (br-2f): networks have overlapping IPv4",
                AddressTaken,
            ),
            (
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                AddressTaken,
            ),
            (400, "all predefined address pools have been fully subnetted", AddressTaken),
            (500, "no available IPv4 addresses on this network's address pools: dev (1f)", AddressTaken),
            (500, "write /var/lib/docker/x: no space left on device", DiskFull),
            (504, "", TimedOut),
            (500, "something else", Other),
            (400, "client version 1.53 is too new. Maximum supported API version is 1.41", Other),
        ];
        for (status, text, kind) in table {
            assert_eq!(classify(Some(status), text), kind, "{status} {text}");
        }
        assert_eq!(classify(None, "failed to register layer: write /x: no space left on device"), DiskFull);
        assert_eq!(classify(None, "manifest unknown"), Other);
    }

    #[test]
    fn an_empty_answer_still_says_something() {
        let error = BollardError::DockerResponseServerError { status_code: 500, message: String::new() };
        let error = translate("start container", "dev", &error);
        assert_eq!(error.to_string(), "cannot start container `dev`: status 500");
    }

    #[test]
    fn a_broken_stream_is_no_answer() {
        let error = BollardError::IOError { err: io::Error::other("error reading a body from connection") };
        assert_eq!(translate("wait for", "dev", &error).kind, EngineErrorKind::Unreachable);
    }

    #[test]
    fn a_second_removal_is_recognized() {
        let message = "removal of container dev is already in progress".to_owned();
        let error = BollardError::DockerResponseServerError { status_code: 409, message };
        assert!(removal_in_progress(&translate("remove container", "dev", &error)));
    }
}
