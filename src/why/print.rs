//! Findings as text for people.

use std::fmt::Write as _;

use super::Answer;
use super::diagnose::whose;
use super::finding::Finding;

/// The whole answer.
pub fn text(answer: &Answer) -> String {
    let mut text = String::new();
    for finding in &answer.findings {
        one(&mut text, finding);
    }
    for line in &answer.starting {
        let _infallible = writeln!(text, "… {line}");
    }
    if answer.findings.is_empty() {
        let _infallible = writeln!(text, "✓ nothing is wrong with {} ({})", answer.about, answer.looked_at);
    }
    if answer.elsewhere > 0 {
        let _infallible =
            writeln!(text, "{} more in other namespaces; see them with `{}`", count(answer.elsewhere), answer.all);
    }
    text
}

/// `1 problem`, `2 problems`
pub fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

fn one(text: &mut String, finding: &Finding) {
    let place = finding.subject.namespace.as_ref().map(|n| format!(" in {n}")).unwrap_or_default();
    let pods = whose(finding).map(|pods| format!(" ({pods})")).unwrap_or_default();
    let _infallible = writeln!(text, "✗ {}{place}{pods}", finding.subject.short());
    let _infallible = writeln!(text, "  {}", finding.sentence);
    for line in finding.evidence.iter().flat_map(|line| line.lines()) {
        let _infallible = writeln!(text, "    {line}");
    }
    for (n, command) in finding.commands.iter().enumerate() {
        let _infallible = writeln!(text, "  {} {command}", if n == 0 { "try" } else { "or " });
    }
    text.push('\n');
}
