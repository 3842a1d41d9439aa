//! Parse, settle, dispatch: this file reads as the table of commands.

pub mod args;
pub mod outside;
pub mod settings;

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use clap::Parser;

use self::args::lifecycle::Certs;
use self::args::{Cli, Cluster, Command, CreateWhat, DeleteWhat, Export, Get, Node, Output, Port};
use self::outside::Outside;
use self::settings::Environment;
use crate::commands::{self, Session};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Verb;
use crate::report::{self, Reporter};

/// The program as a process: everything that it is connected to is real.
pub async fn main(words: Vec<OsString>, environment: Environment) -> u8 {
    match Outside::of_process() {
        // The future of all commands is large; it is made once.
        Ok(outside) => Box::pin(run(words, environment, outside)).await,
        Err(e) => {
            // A stderr that is gone cannot be complained about anywhere.
            let _ = writeln!(std::io::stderr(), "{e}");
            e.kind.exit_code()
        }
    }
}

/// The whole program as a function of its arguments, its environment and its connections; returns the exit status.
pub async fn run<E: Engine>(words: Vec<OsString>, environment: Environment, outside: Outside<E>) -> u8 {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(e) => return explain(&e, &environment, &outside),
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
        (outside.stderr)(),
    );
    let session = Session::new(environment, cli.global.output, Arc::clone(&reporter), outside);
    let outcome = tokio::select! {
        outcome = dispatch(&session, cli.command) => outcome,
        () = session.outside.interrupt.forced() => Err(forced(session.making.get())),
    };
    reporter.finish();
    match outcome {
        Ok(status) => status,
        Err(e) if e.is_reader_gone() => 0,
        Err(e) => fail(&e, &*reporter, json, &session.outside),
    }
}

/// What a second signal leaves behind.
fn forced(making: Option<&String>) -> Error {
    let error = Error::new(ErrorKind::Interrupted, "stopped at once by a second signal");
    match making {
        Some(name) => error
            .state(format!("what was made of cluster `{name}` so far may be left"))
            .hint(format!("remove it with `knarr delete cluster {name}`")),
        None => error.state("what was being done may be half done"),
    }
}

/// Help, versions and usage errors: clap has the words and knows the stream.
fn explain<E: Engine>(e: &clap::Error, environment: &Environment, outside: &Outside<E>) -> u8 {
    let terminal = if e.use_stderr() { environment.stderr_terminal } else { environment.stdout_terminal };
    let colors = terminal && !environment.dumb_terminal && !environment.no_color;
    let text = if colors { e.render().ansi().to_string() } else { e.render().to_string() };
    if e.use_stderr() {
        outside.complain(text.as_bytes());
    } else {
        let mut out = (outside.stdout)();
        // A reader that went away has seen enough.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
    u8::try_from(e.exit_code()).unwrap_or(ErrorKind::Usage.exit_code())
}

async fn dispatch(session: &Session<impl Engine>, command: Command) -> Result<u8> {
    let looking = "stopped before there was an answer";
    let done = match command {
        Command::Up(args) => commands::up::run(session, args).await,
        Command::Create { what: None, flags }
        | Command::Create { what: Some(CreateWhat::Cluster(flags)), .. }
        | Command::Cluster(Cluster::Create(flags)) => commands::create::run(session, flags).await,
        Command::Delete { what: None, flags }
        | Command::Delete { what: Some(DeleteWhat::Cluster(flags)), .. }
        | Command::Cluster(Cluster::Delete(flags)) => commands::delete::run(session, flags).await,
        Command::Gc(args) => commands::gc::run(session, args).await,
        Command::Stop(args) | Command::Cluster(Cluster::Stop(args)) => {
            commands::lifecycle::halt(session, Verb::Stop, args).await
        }
        Command::Start(args) | Command::Cluster(Cluster::Start(args)) => {
            commands::lifecycle::resume(session, Verb::Start, args).await
        }
        Command::Restart(args) | Command::Cluster(Cluster::Restart(args)) => {
            commands::lifecycle::resume(session, Verb::Restart, args).await
        }
        Command::Pause(args) | Command::Cluster(Cluster::Pause(args)) => {
            commands::lifecycle::halt(session, Verb::Pause, args).await
        }
        Command::Unpause(args) | Command::Cluster(Cluster::Unpause(args)) => {
            commands::lifecycle::resume(session, Verb::Unpause, args).await
        }
        Command::Certs(Certs::Check { cluster }) => {
            session.unless_interrupted(looking, commands::certs::check(session, &cluster)).await
        }
        Command::Certs(Certs::Renew(args)) => commands::lifecycle::resume(session, Verb::Renew, args).await,
        Command::Apply(args) => commands::apply::run(session, args).await,
        Command::Node(Node::Add(args)) => commands::node::add(session, args).await,
        Command::Node(Node::Delete(args)) => commands::node::delete(session, args).await,
        Command::Port(Port::Add(args)) => commands::port::add(session, args).await,
        Command::Port(Port::Remove(args)) => commands::port::remove(session, args).await,
        Command::Port(Port::List { cluster }) => {
            session.unless_interrupted(looking, commands::port::list(session, &cluster)).await
        }
        Command::Repair(args) => commands::repair::run(session, args).await,
        Command::Get(Get::Clusters) | Command::Cluster(Cluster::List) => {
            session.unless_interrupted(looking, commands::list::clusters(session)).await
        }
        Command::Get(Get::Nodes { cluster, all }) | Command::Node(Node::List { cluster, all }) => {
            session.unless_interrupted(looking, commands::list::nodes(session, &cluster, all)).await
        }
        Command::Get(Get::Kubeconfig { cluster, internal }) => {
            session.unless_interrupted(looking, commands::kubeconfig::get(session, &cluster, internal)).await
        }
        Command::Get(Get::Config(cluster)) => {
            session.unless_interrupted(looking, commands::config::of_cluster(session, &cluster)).await
        }
        Command::Get(Get::Urls(args)) => session.unless_interrupted(looking, commands::urls::run(session, &args)).await,
        Command::Tunnel(args) => commands::tunnel::run(session, &args).await,
        Command::Export(Export::Kubeconfig { cluster, target, internal }) => {
            commands::kubeconfig::export(session, &cluster, &target, internal).await
        }
        Command::Export(Export::Logs { folder, cluster }) => {
            session
                .unless_interrupted("stopped collecting logs", commands::logs::export(session, &cluster, &folder))
                .await
        }
        Command::Dashboard(args) => commands::dashboard::run(session, args).await,
        Command::Addons(what) => {
            session
                .unless_interrupted(
                    "stopped; what was begun goes on in the cluster",
                    commands::addons::run(session, what),
                )
                .await
        }
        Command::Why(args) => session.unless_interrupted(looking, commands::why::run(session, args)).await,
        Command::Status(args) => commands::status::run(session, args).await,
        Command::Kubectl(args) => return commands::kubectl::run(session, args).await,
        Command::Exec(args) => return commands::exec::run(session, args).await,
        Command::Logs(args) => commands::logs::run(session, args).await,
        Command::Load(what) => {
            session
                .unless_interrupted(
                    "stopped loading; some nodes may have the image, others not",
                    commands::load::run(session, what),
                )
                .await
        }
        Command::Sample(what) => commands::sample::run(session, what).await,
        Command::Image(what) => commands::image::run(session, what).await,
        Command::Config(what) => commands::config::run(session, &what),
        Command::Doctor(args) => commands::doctor::run(session, args).await,
        Command::Version => commands::version::run(session),
        Command::Completion { shell } => commands::shell::completion(session, shell),
        Command::Man { folder } => commands::shell::man(session, &folder),
    };
    done.map(|()| 0)
}

/// The one place where an error reaches the screen.
fn fail<E: Engine>(error: &Error, reporter: &dyn Reporter, json: bool, outside: &Outside<E>) -> u8 {
    reporter.finish();
    let text = if json { serde_json::json!({ "error": error }).to_string() } else { error.to_string() };
    outside.complain(format!("{text}\n").as_bytes());
    error.kind.exit_code()
}
