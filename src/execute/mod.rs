//! Carries out a plan: phase by phase, the steps of a phase together, cancellable, and undone when it fails.
//!
//! After a cancel no new step starts, calls that change something are finished (a dropped request may still be carried
//! out by Docker), waits are dropped at once, and only when everything is joined the undo begins. A Docker that does not
//! answer is not waited for without end: see `GRACE`.

mod board;
mod change;
mod etcd;
mod failure;
mod place;
pub mod timings;
pub mod undo;
mod wait;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::failure::Failure;
use self::place::Place;
use self::timings::Timings;
use crate::engine::{ContainerSpec, Engine, EngineError, EngineErrorKind, EngineResult, NetworkSpec, archive, op};
use crate::error::{Error, ErrorKind, Result};
use crate::health::nodes::NodeWatch;
use crate::kubernetes::{Access, Connect, Kubernetes};
use crate::manifests;
use crate::node::render::{Entry, FileSpec, materialize};
use crate::pki::Pki;
use crate::plan::{NodeStep, Plan, Step, Verb};
use crate::report::{Reporter, Steps};

/// Between two tries to reach an API server that does not answer yet; its own agent tells when it does, so this only
/// bridges the last milliseconds.
const RETRY: Duration = Duration::from_millis(20);

/// How long runs that lost the race for a name may take to remove what they made.
const LOSERS_TIDY_UP: Duration = Duration::from_secs(10);

/// What carrying out a plan needs from outside.
pub struct Context<E> {
    /// Docker.
    pub engine: Arc<E>,
    /// Connects to the new API server.
    pub connector: Arc<dyn Connect>,
    /// The screen.
    pub reporter: Arc<dyn Reporter>,
    /// Cancelled by the first interrupt.
    pub cancel: CancellationToken,
}

/// How `create` was asked to behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the whole boot may take.
    pub wait: Duration,
    /// Whether a failed cluster is kept for inspection.
    pub retain: bool,
}

/// What became of a creation that failed.
pub struct Failed {
    /// The error with the state things are in now.
    pub error: Error,
    /// Set when another choice of subnet or port may help: which of them was taken.
    pub taken: Option<EngineErrorKind>,
    /// The containers that this run made.
    pub made: Vec<String>,
}

/// A cluster that was created.
pub struct Created {
    /// When each milestone was reached.
    pub timings: Timings,
}

/// Carries out a plan; on failure or cancel removes what this run made, unless it shall be retained.
pub async fn create<E: Engine>(
    context: &Context<E>,
    plan: &Plan,
    pki: &Pki,
    options: Options,
) -> std::result::Result<Created, Box<Failed>> {
    let keys = Keys { access: Some(pki.super_admin(&plan.layout)), pki: Some(pki) };
    let run = Run::new(context, plan, keys, options);
    match run.phases().await {
        Ok(()) => Ok(Created { timings: run.timings.clone() }),
        Err(failure) => {
            let taken = failure.taken();
            // The listeners must not see the nodes go.
            let (plan, engine) = (run.plan, Arc::clone(&context.engine));
            drop(run);
            let error = undo::after_failure(&*engine, plan, failure.error, options.retain, &context.reporter).await;
            Err(Box::new(Failed { error, taken, made: Vec::new() }))
        }
    }
}

/// Carries out a plan that changes a living cluster. What is done stays done: the same verb again does the rest.
pub async fn change<E: Engine>(
    context: &Context<E>,
    plan: &Plan,
    keys: Keys<'_>,
    wait: Duration,
) -> std::result::Result<Created, Box<Failed>> {
    let run = Run::new(context, plan, keys, Options { wait, retain: true });
    match run.phases().await {
        Ok(()) => Ok(Created { timings: run.timings.clone() }),
        Err(failure) => Err(Box::new(Failed { taken: failure.taken(), error: failure.error, made: run.made() })),
    }
}

/// The secrets that the steps of a plan use.
#[derive(Clone, Default)]
pub struct Keys<'a> {
    /// Who asks the API server; none where no step asks.
    pub access: Option<Access>,
    /// Every certificate; none where no step writes one.
    pub pki: Option<&'a Pki>,
}

/// Hears what a step waits for, each time that changes.
type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

struct Run<'a, E> {
    context: &'a Context<E>,
    plan: &'a Plan,
    keys: Keys<'a>,
    deadline: Instant,
    wait: Duration,
    retain: bool,
    timings: Timings,
    network_id: OnceLock<String>,
    /// Container ids by name of what `ClaimName` made.
    claimed: Mutex<HashMap<String, String>>,
    /// The containers that this run made.
    made: Mutex<Vec<String>>,
    watch: NodeWatch<E>,
    kubernetes: OnceLock<Arc<dyn Kubernetes>>,
    /// The last thing a wait said it waits for.
    last_reason: Mutex<Option<String>>,
    /// The calls that Docker has not answered yet, in words.
    in_flight: Mutex<Vec<String>>,
    /// The containers that the plan is still going to make: there is nothing to hear of them yet.
    unborn: Mutex<BTreeSet<String>>,
}

impl<'a, E: Engine> Run<'a, E> {
    fn new(context: &'a Context<E>, plan: &'a Plan, keys: Keys<'a>, options: Options) -> Self {
        Self {
            context,
            plan,
            keys,
            deadline: Instant::now() + options.wait,
            wait: options.wait,
            retain: options.retain,
            timings: Timings::start(),
            network_id: OnceLock::new(),
            claimed: Mutex::default(),
            made: Mutex::default(),
            watch: NodeWatch::new(Arc::clone(&context.engine)),
            kubernetes: OnceLock::new(),
            last_reason: Mutex::default(),
            in_flight: Mutex::default(),
            unborn: Mutex::new(plan.nodes().map(|node| node.container.name.clone()).collect()),
        }
    }

    async fn phases(&self) -> std::result::Result<(), Failure> {
        let total = self.plan.phases.len();
        let steps = Steps::new(Arc::clone(&self.context.reporter));
        for (index, phase) in self.plan.phases.iter().enumerate() {
            if self.context.cancel.is_cancelled() {
                return Err(self.interrupted(index, total, &phase.title).into());
            }
            let shown = steps.start(&phase.title);
            let board = Board::new(&shown, phase.steps.len());
            // Every step is joined, whatever the others do: nothing may come into being after the undo.
            let work = join_all(phase.steps.iter().enumerate().map(|(at, step)| {
                let place = Place::new(&steps, index, at, step);
                place.told(self.shown_step(step, &board, at))
            }));
            let outcomes = tokio::select! {
                biased;
                outcomes = work => outcomes,
                () = self.end_of_patience() => return Err(self.unanswered(index, total, &phase.title).into()),
            };
            let failure = outcomes.into_iter().filter_map(std::result::Result::err).reduce(Failure::worse);
            match failure {
                Some(_) if self.context.cancel.is_cancelled() => {
                    return Err(self.interrupted(index, total, &phase.title).into());
                }
                Some(failure) => return Err(failure),
                None => {
                    shown.done(&phase.done);
                }
            }
        }
        match self.plan.phases.last() {
            Some(last) if self.context.cancel.is_cancelled() => {
                Err(self.interrupted(total - 1, total, &last.title).into())
            }
            _ => Ok(()),
        }
    }

    /// Runs a step with its place on the board.
    async fn shown_step(&self, step: &Step, board: &Board<'_>, at: usize) -> std::result::Result<(), Failure> {
        let progress = |what: &str| {
            board.say(at, what);
            if let Ok(mut last) = self.last_reason.lock() {
                *last = Some(what.to_owned());
            }
        };
        let outcome = self.step(step, &progress).await;
        board.done(at);
        outcome
    }

    /// Ends some time after a cancel or the deadline: by then every call that Docker answers at all is over.
    async fn end_of_patience(&self) {
        tokio::select! {
            () = self.context.cancel.cancelled() => {}
            () = tokio::time::sleep_until(self.deadline) => {}
        }
        tokio::time::sleep(self.plan.verb.grace()).await;
    }

    fn unanswered(&self, index: usize, total: usize, title: &str) -> Error {
        let error =
            if self.context.cancel.is_cancelled() { self.interrupted(index, total, title) } else { self.out_of_time() };
        let calls = self.in_flight.lock().map(|calls| calls.join(", ")).unwrap_or_default();
        error
            .cause(format!("Docker does not answer: {calls}"))
            .hint(format!("Docker may still carry this out; when it answers again, run `{}`", self.plan.command()))
    }

    fn out_of_time(&self) -> Error {
        let (cluster, wait) = (self.plan.layout.name(), humantime::format_duration(self.wait));
        let goal = self.plan.verb.goal();
        Error::new(ErrorKind::NotReady, format!("cluster `{cluster}` did not {goal} within {wait}"))
    }

    fn interrupted(&self, index: usize, total: usize, title: &str) -> Error {
        let (cluster, doing) = (self.plan.layout.name(), self.plan.verb.doing());
        let place = format!("step {} of {total} ({title})", index + 1);
        match self.plan.verb {
            Verb::Create => {
                Error::new(ErrorKind::Interrupted, format!("stopped creating cluster `{cluster}` at {place}"))
            }
            _ => Error::new(ErrorKind::Interrupted, format!("{doing} cluster `{cluster}` broke off at {place}"))
                .hint(format!("go on with `{}`", self.plan.command())),
        }
    }

    async fn step(&self, step: &Step, progress: &(dyn Fn(&str) + Send + Sync)) -> std::result::Result<(), Failure> {
        match step {
            Step::CreateNetwork(spec) => self.create_network(spec).await,
            Step::ClaimName(spec) => self.claim(spec).await,
            Step::StartNode(node) => self.start_node(node).await,
            Step::Await(milestone) => Ok(self.bounded(self.reach(*milestone, progress)).await?),
            Step::ApplyRights => {
                let objects = manifests::rights(&self.plan.layout)?;
                Ok(self.bounded(async { self.kubernetes()?.apply(&objects, progress).await }).await?)
            }
            Step::Change(change) => self.change(change, progress).await,
            Step::AdoptNodes => Ok(self.bounded(self.adopt(progress)).await?),
            Step::ApplySystem => {
                let objects = manifests::system(&self.plan.layout)?;
                Ok(self.bounded(async { self.kubernetes()?.apply(&objects, progress).await }).await?)
            }
            Step::ApplyAddons => Ok(self.bounded(self.apply_addons(progress)).await?),
        }
    }

    async fn create_network(&self, spec: &NetworkSpec) -> std::result::Result<(), Failure> {
        let id = self.call(op::CREATE_NETWORK, &spec.name, self.context.engine.create_network(spec)).await?;
        // Attaching by id keeps two runs apart that made a network of the same name at the same moment.
        let _ = self.network_id.set(id);
        Ok(())
    }

    async fn claim(&self, spec: &ContainerSpec) -> std::result::Result<(), Failure> {
        let id = self.create_container(spec).await?;
        if let Ok(mut claimed) = self.claimed.lock() {
            claimed.insert(spec.name.clone(), id);
        }
        Ok(())
    }

    async fn create_container(&self, spec: &ContainerSpec) -> std::result::Result<String, Failure> {
        let mut spec = spec.clone();
        if let (Some(attachment), Some(id)) = (&mut spec.network, self.network_id.get()) {
            attachment.network.clone_from(id);
        }
        let created = self.call(op::CREATE_CONTAINER, &spec.name, self.context.engine.create_container(&spec)).await;
        // One whose answer was lost may be there all the same; one whose name is taken is somebody else's.
        let foreign = created.as_ref().is_err_and(Failure::name_taken);
        if let (false, Ok(mut made)) = (foreign, self.made.lock()) {
            made.push(spec.name);
        }
        created
    }

    fn made(&self) -> Vec<String> {
        self.made.lock().map(|made| made.clone()).unwrap_or_default()
    }

    async fn start_node(&self, node: &NodeStep) -> std::result::Result<(), Failure> {
        let name = &node.container.name;
        // First: whoever cannot have all of its files must not have a container.
        let tar = pack(&node.files, self.pki()?)?;
        let claimed = self.claimed.lock().ok().and_then(|c| c.get(name).cloned());
        let id = match claimed {
            Some(id) => id,
            None => self.create_container(&node.container).await?,
        };
        self.go_on()?;
        self.call(op::PUT_ARCHIVE, name, self.context.engine.put_archive(&id, "/", tar)).await?;
        self.go_on()?;
        self.start_container(name, &id).await?;
        self.timings.mark(timings::CONTAINERS_STARTED);
        if let Ok(mut unborn) = self.unborn.lock() {
            unborn.remove(name);
        }
        self.watch.add(name);
        Ok(())
    }

    /// Starts a container. Docker looks its network up by name, and refuses while there are two of that name: another
    /// run for the same cluster made one in the same moment, lost the race for the container's name and is removing it.
    async fn start_container(&self, name: &str, id: &str) -> std::result::Result<(), Failure> {
        let patience = Instant::now() + LOSERS_TIDY_UP;
        let insisting = async {
            loop {
                match self.context.engine.start_container(id).await {
                    Err(e)
                        if e.kind == EngineErrorKind::Ambiguous
                            && Instant::now() < patience
                            && !self.context.cancel.is_cancelled() =>
                    {
                        tokio::time::sleep(RETRY).await;
                    }
                    outcome => return outcome,
                }
            }
        };
        self.call(op::START_CONTAINER, name, insisting).await
    }

    fn pki(&self) -> Result<&Pki> {
        self.keys.pki.ok_or_else(|| Error::new(ErrorKind::Bug, "a plan writes files without their contents"))
    }

    /// Refuses to begin another call after an interrupt.
    fn go_on(&self) -> std::result::Result<(), Failure> {
        if self.context.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted").into());
        }
        Ok(())
    }

    /// A call that changes something: known while it is in flight, its refusal as a person should read it.
    async fn call<T>(
        &self,
        operation: &'static str,
        name: &str,
        call: impl Future<Output = EngineResult<T>>,
    ) -> std::result::Result<T, Failure> {
        let words = format!("{operation} `{name}`");
        if let Ok(mut calls) = self.in_flight.lock() {
            calls.push(words.clone());
        }
        let answer = place::telling(&words, call).await;
        if let Ok(mut calls) = self.in_flight.lock()
            && let Some(at) = calls.iter().position(|c| *c == words)
        {
            calls.swap_remove(at);
        }
        // Where the call named an id, the person is told the name.
        answer.map_err(|e| failure::explain(EngineError { object: name.to_owned(), ..e }, self.plan))
    }
}

/// The files of a node as one archive. They carry no time: two runs of one plan differ only in what is random.
fn pack(files: &[FileSpec], pki: &Pki) -> Result<Vec<u8>> {
    let mut tree = archive::Tree::new(0);
    for file in files {
        let path = file.path.trim_start_matches('/');
        match materialize(file, pki)? {
            Entry::Folder => tree.folder(path, file.mode)?,
            Entry::Link(target) => tree.link(path, &target)?,
            Entry::File(bytes) => tree.file(path, file.mode, bytes.to_vec())?,
        };
    }
    tree.build()
}
