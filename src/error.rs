//! The one error of the program: what failed, why, in which state things are, and what to try.
//!
//! A kind is stated once, where the error is made; it alone picks the exit code. Every fact is printed once.

use std::fmt;

/// What sort of failure it was. The table of exit codes in the README is this enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An operation failed (Docker refused, a file could not be written, a component died).
    Failed,
    /// The command line makes no sense.
    Usage,
    /// The config file or a manifest is invalid.
    Config,
    /// This machine cannot do it as it is: no Docker, no rights, a port or subnet taken, no disk.
    Environment,
    /// It was started but did not become ready in time.
    NotReady,
    /// The cluster exists already, or another object has its name.
    Exists,
    /// The named cluster, node or image does not exist.
    NotFound,
    /// The node image is not here and cannot be pulled.
    ImageMissing,
    /// A bug in knarr.
    Bug,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl ErrorKind {
    /// Every kind, in the order of the README's table.
    pub const ALL: [Self; 10] = [
        Self::Failed,
        Self::Usage,
        Self::Config,
        Self::Environment,
        Self::NotReady,
        Self::Exists,
        Self::NotFound,
        Self::ImageMissing,
        Self::Bug,
        Self::Interrupted,
    ];

    /// The process's exit status for this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Environment => 4,
            Self::NotReady => 5,
            Self::Exists => 6,
            Self::NotFound => 7,
            Self::ImageMissing => 8,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }

    /// The stable identifier printed with `-o json`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Config => "config-invalid",
            Self::Environment => "environment-unfit",
            Self::NotReady => "not-ready",
            Self::Exists => "already-exists",
            Self::NotFound => "not-found",
            Self::ImageMissing => "image-missing",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A failure as a person should see it. Build it with [`Error::new`] and the chained adders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What sort of failure.
    pub kind: ErrorKind,
    /// One line that names the object and what could not be done: lower case, no full stop.
    pub message: String,
    /// Everything that is wrong, one line each, shown under the headline whatever their number: what to put right.
    pub details: Vec<String>,
    /// Each line adds a new fact; the first is the nearest cause.
    pub causes: Vec<String>,
    /// Evidence, such as the last lines of a log, at most ten lines, shown indented.
    pub evidence: Vec<String>,
    /// What state things are in now: `nothing was created`.
    pub state: Option<String>,
    /// Commands to try.
    pub hints: Vec<String>,
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with its headline.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            causes: Vec::new(),
            evidence: Vec::new(),
            state: None,
            hints: Vec::new(),
        }
    }

    /// Shorthand for [`ErrorKind::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Adds lines that each say one thing to put right.
    pub fn details(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.details.extend(lines.into_iter().map(Into::into));
        self
    }

    /// The reader of our output has seen enough: the command ends, and there is nobody to tell.
    pub fn reader_gone() -> Self {
        Self::failed(String::new())
    }

    /// Whether this is [`Error::reader_gone`].
    pub fn is_reader_gone(&self) -> bool {
        self.message.is_empty()
    }

    /// Adds a cause: a new fact, never a repetition of the headline.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds a `std` error and everything it names as its source.
    pub fn source(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(e) = next {
            let text = e.to_string();
            // Many libraries embed the source in their own text; a fact is printed once.
            if !self.causes.iter().any(|c| c.contains(&text)) {
                self.causes.push(text);
            }
            next = e.source();
        }
        self
    }

    /// Adds up to ten lines of evidence.
    pub fn evidence(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let lines: Vec<String> = lines.into_iter().map(Into::into).collect();
        let from = lines.len().saturating_sub(10);
        self.evidence.extend(lines.into_iter().skip(from));
        self
    }

    /// Says what state things are in now.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Adds to what state things are in now.
    pub fn also(mut self, state: &str) -> Self {
        self.state = Some(self.state.map_or_else(|| state.to_owned(), |before| format!("{before}\n{state}")));
        self
    }

    /// Adds a hint: a sentence with a command in backticks.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says from the caller's side what could not be done; the old headline becomes the nearest cause.
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, old);
        self
    }
}

impl fmt::Display for Error {
    /// The whole message as printed on stderr, without a trailing newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = if self.kind == ErrorKind::Interrupted { "interrupted" } else { "error" };
        write!(f, "{heading}: {}", self.message)?;
        for line in &self.details {
            write!(f, "\n  {}", line.trim_end().replace('\n', "\n    "))?;
        }
        for cause in &self.causes {
            write!(f, "\n  caused by: {}", cause.trim_end().replace('\n', "\n    "))?;
        }
        for line in &self.evidence {
            write!(f, "\n    {line}")?;
        }
        if let Some(state) = &self.state {
            write!(f, "\n  {}", state.replace('\n', "\n  "))?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl serde::Serialize for Error {
    /// The shape of an error under `-o json`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Error", 8)?;
        out.serialize_field("id", self.kind.id())?;
        out.serialize_field("exitCode", &self.kind.exit_code())?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("details", &self.details)?;
        out.serialize_field("causes", &self.causes)?;
        out.serialize_field("evidence", &self.evidence)?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("hints", &self.hints)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_differ() {
        let mut codes: Vec<u8> = ErrorKind::ALL.iter().map(|k| k.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn reads_as_a_person_expects() {
        let error = Error::new(ErrorKind::Environment, "cannot reach Docker at `unix:///var/run/docker.sock`")
            .cause("permission denied on the socket")
            .state("nothing was created")
            .hint("add yourself to the `docker` group and log in again");
        insta::assert_snapshot!(error, @r"
        error: cannot reach Docker at `unix:///var/run/docker.sock`
          caused by: permission denied on the socket
          nothing was created
        hint: add yourself to the `docker` group and log in again
        ");
    }

    #[test]
    fn context_keeps_the_cause() {
        let error = Error::failed("connection refused").context("cannot apply `coredns.yaml`");
        assert_eq!(error.message, "cannot apply `coredns.yaml`");
        assert_eq!(error.causes, ["connection refused"]);
    }
}
