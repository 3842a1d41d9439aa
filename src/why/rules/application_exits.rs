//! Programs that end by themselves or by a signal, again and again.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::Look;
use super::words;

/// What an exit code means, in plain words.
fn meaning(code: i64) -> String {
    let signal = |name: &str, why: &str| format!("a signal ended it: 128 + {} is {name}, {why}", code - 128);
    match code {
        0 => "it ended well, but a Pod's program should go on running (one that ends belongs into a Job)".into(),
        1 => "it met an error of its own".into(),
        2 => "it was called wrongly (a shell's or program's word for wrong arguments)".into(),
        126 => "what it should run is there but cannot be executed".into(),
        127 => "it should run a program that is not there".into(),
        128 => "it could not be started".into(),
        129 => signal("SIGHUP", "its terminal went away"),
        130 => signal("SIGINT", "it was interrupted"),
        132 => signal("SIGILL", "this processor does not know one of its instructions"),
        134 => signal("SIGABRT", "it gave up by itself (an assertion, a panic)"),
        135 => signal("SIGBUS", "it read memory that is not there"),
        136 => signal("SIGFPE", "it divided by zero"),
        137 => signal("SIGKILL", "it was killed, often because it did not end in time"),
        139 => signal("SIGSEGV", "it touched memory that is not its own"),
        143 => signal("SIGTERM", "it was asked to end"),
        131 | 133 | 138 | 140..=142 | 144..=165 => signal("a signal", "see `kill -l`"),
        255 => "it returned -1, or could not be started".into(),
        _ => "a code of its own; its documentation or log says which".into(),
    }
}

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, end) = words::failed(facts, pod)?;
    let code = end.number("/exitCode").unwrap_or_default();
    let said = end.text("/message");
    Some(
        Finding::new(format!("The program in {} ends with exit code {code}: {}.", container.shown(), meaning(code)))
            .line(container.runs(facts, end))
            .lines(Some(said).filter(|said| !said.is_empty()))
            .log("its last words", words::log(facts, pod, &container))
            .try_(words::logs(facts, pod, &container))
            .try_(facts.kubectl(pod.namespace(), &format!("describe pod {}", pod.name()))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_meanings() {
        insta::assert_snapshot!([1, 127, 139, 150, 42].map(meaning).join("\n"), @"
        it met an error of its own
        it should run a program that is not there
        a signal ended it: 128 + 11 is SIGSEGV, it touched memory that is not its own
        a signal ended it: 128 + 22 is a signal, see `kill -l`
        a code of its own; its documentation or log says which
        ");
    }
}
