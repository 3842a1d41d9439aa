//! The one error type: a sentence that says what failed, and why.

use std::fmt;

/// A failure in words, ready for the person who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

/// What every fallible function here returns.
pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A failure described by `sentence`.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds what was tried to an error of the system.
pub trait Context<T> {
    /// Turns the error into `<what>: <error>`; `what` is only rendered on failure.
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Fault(format!("{}: {error}", what())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_comes_first() {
        let outcome: std::result::Result<(), &str> = Err("no such file");
        assert_eq!(outcome.context(|| "reading x").expect_err("must fail").to_string(), "reading x: no such file");
    }
}
