//! Parse, settle, dispatch: this file reads as the table of commands.

pub mod args;
pub mod settings;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use self::args::{Cli, Cluster, Command, CreateWhat, DeleteWhat, Export, Get, Output};
use self::settings::Environment;
use crate::commands::{self, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::kubernetes::client::KubeConnector;
use crate::report::{self, Reporter};
use crate::signal::Interrupt;

/// The whole program as a function of its arguments and its environment; returns the process's exit status.
pub async fn run(words: Vec<std::ffi::OsString>, environment: Environment) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(e) => {
            // clap knows which stream help, version and usage errors belong to.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(ErrorKind::Usage.exit_code()));
        }
    };
    let json = cli.global.output == Output::Json;
    let reporter = report::choose(
        report::Options {
            quiet: cli.global.quiet,
            verbose: cli.global.verbose,
            json,
            stderr_is_terminal: environment.stderr_terminal,
            dumb: environment.dumb_terminal,
            ci: environment.ci,
            no_color: environment.no_color,
        },
        Box::new(std::io::stderr()),
    );
    let interrupt = match Interrupt::listen(Host::real().ignores_hangup()) {
        Ok(interrupt) => interrupt,
        Err(e) => return fail(&e, &*reporter, json),
    };
    let session = Session::new(
        environment,
        cli.global.output,
        Arc::clone(&reporter),
        interrupt.clone(),
        Arc::new(KubeConnector),
        Box::new(std::io::stdout()),
    );
    let outcome = tokio::select! {
        outcome = dispatch(&session, cli.command) => outcome,
        () = interrupt.forced() => Err(Error::new(ErrorKind::Interrupted, "stopped at once by a second signal")
            .state("what was made so far may be left")
            .hint("see what is left with `knarr get clusters`; remove it with `knarr delete cluster NAME`")),
    };
    reporter.finish();
    match outcome {
        Ok(code) => code,
        Err(e) => fail(&e, &*reporter, json),
    }
}

async fn dispatch(session: &Session, command: Command) -> Result<ExitCode> {
    let done = match command {
        Command::Up(args) => commands::up::run(session, args).await,
        Command::Create { what: None, flags }
        | Command::Create { what: Some(CreateWhat::Cluster(flags)), .. }
        | Command::Cluster(Cluster::Create(flags)) => commands::create::run(session, flags).await,
        Command::Delete { what: None, flags }
        | Command::Delete { what: Some(DeleteWhat::Cluster(flags)), .. }
        | Command::Cluster(Cluster::Delete(flags)) => commands::delete::run(session, flags).await,
        Command::Get(Get::Clusters) | Command::Cluster(Cluster::List) => commands::list::clusters(session).await,
        Command::Get(Get::Nodes { cluster, all }) => commands::list::nodes(session, &cluster, all).await,
        Command::Get(Get::Kubeconfig { cluster, internal }) => {
            commands::kubeconfig::get(session, &cluster, internal).await
        }
        Command::Export(Export::Kubeconfig { cluster, target, internal }) => {
            commands::kubeconfig::export(session, &cluster, &target, internal).await
        }
        Command::Export(Export::Logs { folder, cluster }) => commands::logs::export(session, &cluster, &folder).await,
        Command::Status(args) => commands::status::run(session, args).await,
        Command::Kubectl(args) => return commands::kubectl::run(session, args).await,
        Command::Exec(args) => return commands::exec::run(session, args).await,
        Command::Logs(args) => commands::logs::run(session, args).await,
        Command::Load(what) => commands::load::run(session, what).await,
        Command::Image(what) => commands::image::run(session, what).await,
        Command::Config(what) => commands::config::run(session, &what),
        Command::Doctor(args) => commands::doctor::run(session, args).await,
        Command::Version => commands::version::run(session),
        Command::Completion { shell } => commands::shell::completion(session, shell),
        Command::Man { folder } => commands::shell::man(session, &folder),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The one place where an error reaches the screen.
fn fail(error: &Error, reporter: &dyn Reporter, json: bool) -> ExitCode {
    reporter.finish();
    let text = if json { serde_json::json!({ "error": error }).to_string() } else { error.to_string() };
    // A stderr that is gone cannot be complained about anywhere.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(error.kind.exit_code())
}
