//! Which job of a CI system this is, in one word for a label: a table of variables that hold names and numbers, never
//! secrets.

use std::collections::BTreeMap;

/// The longest owner that is kept; identities of jobs are far shorter.
const MAX_CHARS: usize = 200;

/// One CI system.
struct System {
    /// What its owners begin with.
    name: &'static str,
    /// The variable that is set there and nowhere else.
    sign: &'static str,
    /// What names the job, from the outside in; what is not set is left out.
    parts: &'static [&'static str],
}

/// The first whose sign is set counts. The last is for all others: many set `CI` and number their builds.
const SYSTEMS: [System; 8] = [
    System {
        name: "github",
        sign: "GITHUB_ACTIONS",
        parts: &["GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"],
    },
    System { name: "gitlab", sign: "GITLAB_CI", parts: &["CI_PROJECT_PATH", "CI_PIPELINE_ID", "CI_JOB_ID"] },
    System { name: "jenkins", sign: "JENKINS_URL", parts: &["JOB_NAME", "BUILD_NUMBER"] },
    System {
        name: "buildkite",
        sign: "BUILDKITE",
        parts: &["BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_NUMBER", "BUILDKITE_JOB_ID"],
    },
    System {
        name: "circleci",
        sign: "CIRCLECI",
        parts: &["CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME", "CIRCLE_BUILD_NUM"],
    },
    System { name: "azure", sign: "TF_BUILD", parts: &["SYSTEM_TEAMPROJECT", "BUILD_BUILDID", "SYSTEM_JOBATTEMPT"] },
    System { name: "travis", sign: "TRAVIS", parts: &["TRAVIS_REPO_SLUG", "TRAVIS_BUILD_ID", "TRAVIS_JOB_ID"] },
    System { name: "ci", sign: "CI", parts: &["BUILD_ID", "BUILD_NUMBER"] },
];

/// `github:<repository>:<run>:<attempt>`; none where nothing names a job.
pub(super) fn owner(variables: &BTreeMap<String, String>) -> Option<String> {
    let get = |name: &&str| variables.get(*name).filter(|value| !value.is_empty());
    let system = SYSTEMS.iter().find(|system| get(&system.sign).is_some())?;
    let parts: Vec<&str> = system.parts.iter().filter_map(get).map(String::as_str).collect();
    if parts.is_empty() {
        return None;
    }
    let text = format!("{}:{}", system.name, parts.join(":"));
    // A label is printed in tables and logs: one line, nothing that moves a cursor.
    Some(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        owner(&variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn each_system_in_its_words() {
        for (variables, expected) in [
            (
                &[
                    ("GITHUB_ACTIONS", "true"),
                    ("CI", "true"),
                    ("GITHUB_REPOSITORY", "acme/web"),
                    ("GITHUB_RUN_ID", "77"),
                    ("GITHUB_RUN_ATTEMPT", "2"),
                ][..],
                "github:acme/web:77:2",
            ),
            (
                &[("GITLAB_CI", "true"), ("CI_PROJECT_PATH", "a/b"), ("CI_PIPELINE_ID", "5"), ("CI_JOB_ID", "6")],
                "gitlab:a/b:5:6",
            ),
            (
                &[("JENKINS_URL", "https://user:pw@ci"), ("JOB_NAME", "web/main"), ("BUILD_NUMBER", "9")],
                "jenkins:web/main:9",
            ),
            (
                &[("BUILDKITE", "true"), ("BUILDKITE_PIPELINE_SLUG", "web"), ("BUILDKITE_BUILD_NUMBER", "3")],
                "buildkite:web:3",
            ),
            (
                &[
                    ("CIRCLECI", "true"),
                    ("CIRCLE_PROJECT_USERNAME", "acme"),
                    ("CIRCLE_PROJECT_REPONAME", "web"),
                    ("CIRCLE_BUILD_NUM", "8"),
                ],
                "circleci:acme:web:8",
            ),
            (&[("TF_BUILD", "True"), ("SYSTEM_TEAMPROJECT", "My Team"), ("BUILD_BUILDID", "4")], "azure:My Team:4"),
            (&[("TRAVIS", "true"), ("TRAVIS_REPO_SLUG", "a/b"), ("TRAVIS_BUILD_ID", "1")], "travis:a/b:1"),
            (&[("CI", "1"), ("BUILD_ID", "12")], "ci:12"),
        ] {
            assert_eq!(of(variables).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nobody_and_odd_values() {
        assert_eq!(of(&[("BUILD_NUMBER", "3"), ("GITHUB_TOKEN", "secret")]), None, "a developer's own machine");
        assert_eq!(of(&[("CI", "true")]), None, "nothing names the job");
        assert_eq!(of(&[("CI", "1"), ("BUILD_ID", "1\n\u{1b}[2J")]).as_deref(), Some("ci:1  [2J"));
        let long = "x".repeat(1000);
        assert_eq!(of(&[("CI", "1"), ("BUILD_ID", &long)]).map(|owner| owner.len()), Some(MAX_CHARS));
    }
}
