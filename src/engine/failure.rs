//! A call to Docker that failed: which, on what, why; and how a person reads it.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// What to do about a full disk.
pub const FREE_DISK: &str =
    "see what fills Docker's disk with `docker system df`, and free it with `docker image prune`";

/// Why a Docker call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// Nothing answers at the address.
    Unreachable,
    /// The socket may not be used.
    Denied,
    /// The object does not exist.
    NotFound,
    /// The name is taken or the object is in use.
    Conflict,
    /// Two objects have the name.
    Ambiguous,
    /// A host port is taken.
    PortTaken,
    /// A subnet or address is taken.
    AddressTaken,
    /// No space left on the device.
    DiskFull,
    /// It took too long.
    TimedOut,
    /// Anything else; the engine's own words are in `detail`.
    Other,
}

/// A Docker call that failed: which, on what, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// The operation in words: `create container`.
    pub operation: &'static str,
    /// The object: a name, never an id where a name is known.
    pub object: String,
    /// The sort of failure.
    pub kind: EngineErrorKind,
    /// The engine's own words.
    pub detail: String,
}

impl EngineError {
    /// An error of `kind`.
    pub fn new(
        operation: &'static str,
        object: impl Into<String>,
        kind: EngineErrorKind,
        detail: impl Into<String>,
    ) -> Self {
        Self { operation, object: object.into(), kind, detail: detail.into() }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: {}", self.operation, self.object, self.detail)
    }
}

impl std::error::Error for EngineError {}

impl From<EngineError> for Error {
    fn from(e: EngineError) -> Self {
        let kind = match e.kind {
            EngineErrorKind::Unreachable
            | EngineErrorKind::Denied
            | EngineErrorKind::PortTaken
            | EngineErrorKind::AddressTaken
            | EngineErrorKind::DiskFull => ErrorKind::Environment,
            EngineErrorKind::NotFound => ErrorKind::NotFound,
            EngineErrorKind::Conflict => ErrorKind::Exists,
            EngineErrorKind::Ambiguous | EngineErrorKind::TimedOut | EngineErrorKind::Other => ErrorKind::Failed,
        };
        let error = Self::new(kind, format!("cannot {} `{}`", e.operation, e.object)).cause(&e.detail);
        match e.kind {
            EngineErrorKind::Unreachable => error.hint(
                "start Docker (`sudo systemctl start docker`), set `DOCKER_HOST`, or see what is missing with `knarr doctor`",
            ),
            EngineErrorKind::Denied => error.hint(
                "add yourself to the `docker` group and log in again (`sudo usermod -aG docker $USER`), or set `DOCKER_HOST` to a daemon that you may use",
            ),
            EngineErrorKind::DiskFull => error.hint(FREE_DISK),
            _ => error,
        }
    }
}
