//! A failed script as a person should see it: what was built, the compiler's last words, what to try.

use crate::error::{Error, ErrorKind};

/// Words in a script's output, the sort of trouble they mean, and what helps.
const TROUBLES: [(&[&str], ErrorKind, &str); 4] = [
    (
        &["no space left on device"],
        ErrorKind::Environment,
        "see what fills Docker's disk with `docker system df`, and free it with `docker image prune`",
    ),
    (
        &["signal: killed", "signal: 9", "cannot allocate memory"],
        ErrorKind::Environment,
        "the kernel ended the compiler, which means too little memory: give Docker 4 GB, then try again",
    ),
    (
        &["certificate signed by unknown authority", "certificate verify failed", "x509:"],
        ErrorKind::Environment,
        "set `SSL_CERT_FILE` to your organisation's certificate authorities, then try again",
    ),
    (
        &[
            "dial tcp",
            "i/o timeout",
            "Could not resolve",
            "Temporary failure",
            "Unable to connect",
            "Failed to fetch",
            "failed to download",
            "Could not connect",
        ],
        ErrorKind::Environment,
        "the builder cannot reach the internet: set `HTTPS_PROXY`, or `GOPROXY` and cargo's settings, then try again",
    ),
];

/// The error of a script that ended with `status` after printing `lines`.
pub fn of_script(what: &str, status: i64, lines: &[String]) -> Error {
    let trouble = TROUBLES.iter().find(|(words, ..)| lines.iter().any(|l| words.iter().any(|w| l.contains(w))));
    let (kind, hint) = trouble.map_or(
        (ErrorKind::Failed, "see everything that the compiler said with `knarr image build -v`"),
        |(_, kind, hint)| (*kind, hint),
    );
    let telling: Vec<&String> = lines.iter().filter(|line| tells(line)).collect();
    let error = Error::new(kind, format!("cannot build {what}"));
    let error = if telling.is_empty() { error.cause(format!("the script ended with status {status}")) } else { error };
    error.evidence(telling).hint(hint)
}

/// Whether a line says more than which package is being compiled or downloaded.
fn tells(line: &str) -> bool {
    let progress = ["go: downloading ", "Compiling ", "Downloaded ", "Downloading ", "Get:", "Hit:", "Updating "];
    line.contains([' ', ':']) && !progress.iter().any(|p| line.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_words_are_the_evidence() {
        let lines = [
            "go: downloading k8s.io/api v0.36.4",
            "k8s.io/api/core/v1",
            "# knarr.dev/node/cmd/hello",
            "cmd/hello/main.go:9:2: undefined: nothing",
            "net/http",
        ];
        insta::assert_snapshot!(of_script("hello 1", 1, &lines.map(String::from)), @r"
        error: cannot build hello 1
            # knarr.dev/node/cmd/hello
            cmd/hello/main.go:9:2: undefined: nothing
        hint: see everything that the compiler said with `knarr image build -v`
        ");
    }

    #[test]
    fn known_troubles_get_their_hint() {
        let of = |line: &str| of_script("etcd 3.6.16", 1, &[line.to_owned()]);
        assert_eq!(of("go: x: dial tcp 1.2.3.4:443: i/o timeout").kind, ErrorKind::Environment);
        assert!(of("compile: signal: killed").hints[0].contains("memory"));
        assert!(of("tls: x509: certificate signed by unknown authority").hints[0].contains("SSL_CERT_FILE"));
        assert_eq!(of_script("etcd", 3, &[]).causes, ["the script ended with status 3"]);
    }
}
