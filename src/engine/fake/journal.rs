//! What was called, and what shall go wrong.

use std::fmt;

use crate::engine::{EngineErrorKind, op};

/// A call of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which one it was; the first is 1.
    pub number: usize,
    /// What was asked for, one of [`op`].
    pub operation: &'static str,
    /// On what: as the caller named it.
    pub object: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl Call {
    /// Whether it may have changed something.
    pub fn changes(&self) -> bool {
        op::changes(self.operation)
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It runs, hangs, or was dropped.
    Unfinished,
    /// It succeeded.
    Done,
    /// It was refused.
    Refused(EngineErrorKind),
    /// It was carried out, and then an error was returned.
    Lost(EngineErrorKind),
}

impl fmt::Display for Call {
    /// A line for snapshots.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.operation, self.object)?;
        match self.outcome {
            Outcome::Unfinished => f.write_str(" ..."),
            Outcome::Done => Ok(()),
            Outcome::Refused(kind) => write!(f, " -> {kind:?}"),
            Outcome::Lost(kind) => write!(f, " -> done, but {kind:?}"),
        }
    }
}

/// Which call shall go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// The n-th of all calls; the first is 1.
    Call(usize),
    /// The n-th call of this operation; the first is 1.
    Nth(&'static str, usize),
    /// Every call of this operation on this object.
    On(&'static str, String),
    /// Every call of this operation.
    Every(&'static str),
}

impl When {
    /// Whether it means `call`, the `nth` of its operation.
    pub(super) fn is(&self, call: &Call, nth: usize) -> bool {
        match self {
            Self::Call(number) => call.number == *number,
            Self::Nth(operation, n) => call.operation == *operation && nth == *n,
            Self::On(operation, object) => call.operation == *operation && call.object == *object,
            Self::Every(operation) => call.operation == *operation,
        }
    }
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing is done, and this error is returned.
    Refuse(EngineErrorKind),
    /// It is done, and then this error is returned, as when the connection breaks before the answer.
    LoseAnswer(EngineErrorKind),
    /// Nothing is done, and the call never ends.
    Hang,
    /// It is done, and then the call never ends.
    HangAfterwards,
}
