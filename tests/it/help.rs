//! What `--help` says about every command, how wrong words are answered, and what exit codes mean.

use clap::CommandFactory;
use knarr::cli::args::Cli;
use knarr::error::ErrorKind;

use crate::env::Env;

/// The help of every command, hidden ones too, at a fixed width.
#[test]
fn every_help() {
    fn walk(command: &mut clap::Command, name: &str, pages: &mut Vec<(String, String)>) {
        let page = command.clone().term_width(100).bin_name(name.replace('-', " ")).render_long_help().to_string();
        pages.push((name.to_owned(), page));
        for sub in command.get_subcommands_mut().filter(|s| s.get_name() != "help") {
            let name = format!("{name}-{}", sub.get_name());
            walk(sub, &name, pages);
        }
    }
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut pages = Vec::new();
    walk(&mut command, "knarr", &mut pages);
    assert!(pages.len() > 30, "only {} pages", pages.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/help");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, page) in pages {
        settings.bind(|| insta::assert_snapshot!(name, page));
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_words() {
    let env = Env::new();
    insta::assert_snapshot!(env.knarr("creat dev").await, @r"
    $ knarr creat dev
    --- stderr ---
    error: unrecognized subcommand 'creat'

      tip: some similar subcommands exist: 'repair', 'restart', 'certs', 'create'

    Usage: knarr [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("create dev --worker 2").await, @r"
    $ knarr create dev --worker 2
    --- stderr ---
    error: unexpected argument '--worker' found

      tip: a similar argument exists: '--workers'

    Usage: knarr create --workers <N> <NAME>

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("create dev --workers two").await, @r"
    $ knarr create dev --workers two
    --- stderr ---
    error: invalid value 'two' for '--workers <N>': invalid digit found in string

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("create dev --wait 2").await, @r"
    $ knarr create dev --wait 2
    --- stderr ---
    error: invalid value '2' for '--wait <DURATION>': `2` is not a duration, for example `90s` or `2m`

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("create dev --nodes 2 --workers 1").await, @r"
    $ knarr create dev --nodes 2 --workers 1
    --- stderr ---
    error: the argument '--nodes <N>' cannot be used with '--workers <N>'

    Usage: knarr create --nodes <N> <NAME>

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("delete dev -A").await, @r"
    $ knarr delete dev -A
    --- stderr ---
    error: the argument '[NAME]...' cannot be used with '--all'

    Usage: knarr delete <NAME>...

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("exec dev-worker").await, @r"
    $ knarr exec dev-worker
    --- stderr ---
    error: the following required arguments were not provided:
      <COMMAND>...

    Usage: knarr exec <NODE> <COMMAND>...

    For more information, try '--help'.
    --- exit status 2 ---
    ");
    assert_eq!(env.engine.transcript(), "");
}

#[tokio::test(start_paused = true)]
async fn help_and_version_are_results() {
    let env = Env::new();
    for words in ["--help", "help create", "create --help", "--version"] {
        let run = env.knarr(words).await;
        assert_eq!((run.stderr.as_str(), run.status), ("", 0), "{run}");
        assert!(run.stdout.contains("knarr"), "{run}");
    }
    let run = env.knarr("").await;
    assert_eq!((run.stdout.as_str(), run.status), ("", 2), "{run}");
}

/// The README's table of exit codes is `ErrorKind::ALL`.
#[test]
fn the_readme_has_every_exit_code() {
    let readme = include_str!("../../README.md");
    let table = readme.split("## Exit codes").nth(1).expect("there is such a chapter");
    let rows: Vec<(u8, String)> = table
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.split('|').skip(1).map(str::trim);
            Some((cells.next()?.parse().ok()?, cells.next()?.trim_matches('`').to_owned()))
        })
        .filter(|(code, _)| *code != 0)
        .collect();
    let kinds = ErrorKind::ALL.map(|kind| (kind.exit_code(), kind.id().to_owned()));
    assert_eq!(rows, kinds);
}
