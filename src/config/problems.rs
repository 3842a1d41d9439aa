//! Everything that is wrong with a config, collected before anything is done.

use std::fmt;

use super::defaults::CLUSTER_VARIABLE;

/// What is wrong, each with the path of the key (or the flag) it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, such as `nodes[1].role`, or a flag, such as `--name`, or a variable.
    pub path: String,
    /// What is wrong with it, what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Problems {
    /// Adds one.
    pub fn add(&mut self, path: impl Into<String>, message: impl fmt::Display) {
        self.0.push(Problem { path: path.into(), message: message.to_string() });
    }

    /// Keeps the value of a success; of a failure the reason, under `path`.
    pub fn take<T, E: fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|refused| self.add(path, refused)).ok()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether only flags of the command line are wrong, or the variable that stands in for one, not the file.
    pub fn only_flags(&self) -> bool {
        self.0.iter().all(|problem| problem.path.starts_with("--") || problem.path == CLUSTER_VARIABLE)
    }

    /// One line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }

    /// Adds all of `others` behind these.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}
