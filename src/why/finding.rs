//! What was found: one cause, its evidence, and what to try.

use serde::Serialize;

/// The most lines of evidence that a finding shows.
const LINES: usize = 10;

/// The object that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Named {
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its namespace, if it lives in one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Named {
    /// `deployment/web`
    pub fn short(&self) -> String {
        format!("{}/{}", super::target::short(&self.kind), self.name)
    }
}

/// Whether a finding is why things are as they are, or only how they look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// A cause: always told.
    Cause,
    /// A symptom: told only when no cause is known beneath it.
    Symptom,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub subject: Named,
    /// The rule that found it.
    pub rule: &'static str,
    /// The cause in plain words.
    pub sentence: String,
    /// What of the cluster shows it, at most ten lines.
    pub evidence: Vec<String>,
    /// Commands to try, the most useful first.
    pub commands: Vec<String>,
    /// The Pods of the subject that have it, when there are any.
    pub pods: Vec<String>,
    /// Why or how.
    #[serde(skip)]
    pub rank: Option<Rank>,
}

impl Finding {
    /// A finding with its sentence; who it is about and which rule it was is filled in by whoever asked the rule.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            subject: Named { kind: String::new(), namespace: None, name: String::new() },
            rule: "",
            sentence: sentence.into(),
            evidence: Vec::new(),
            commands: Vec::new(),
            pods: Vec::new(),
            rank: None,
        }
    }

    /// Adds a line of evidence; further ones than there is room for are left out.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        if self.evidence.len() < LINES {
            self.evidence.push(line.into().trim_end().to_owned());
        }
        self
    }

    /// Adds lines of evidence.
    pub fn lines(self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        lines.into_iter().fold(self, Self::line)
    }

    /// Adds the last lines of a log, under a title of their own.
    pub fn log(self, title: &str, log: Option<&str>) -> Self {
        let lines: Vec<&str> = log.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return self;
        }
        let room = LINES.saturating_sub(self.evidence.len() + 1);
        let from = lines.len().saturating_sub(room);
        self.line(format!("{title}:")).lines(lines[from..].iter().map(|line| format!("  {line}")))
    }

    /// Adds a command to try.
    pub fn try_(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// Adds commands to try.
    pub fn try_all(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.commands.extend(commands);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_short() {
        let log: String = (0..30).fold(String::new(), |text, n| format!("{text}line {n}\n"));
        let finding = Finding::new("x").line("first").log("the log", Some(&log));
        assert_eq!(finding.evidence.len(), LINES);
        assert_eq!(finding.evidence.last().map(String::as_str), Some("  line 29"));
        assert_eq!(finding.line("more").evidence.len(), LINES);
    }
}
