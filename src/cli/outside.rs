//! What a run is connected to: Docker, API servers, this machine, the signals and the three streams.
//!
//! The program is a function of its arguments, its environment and these connections; tests connect it to fakes.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tokio::io::AsyncRead;

use crate::engine::Engine;
use crate::engine::docker::{DockerEngine, Surroundings};
use crate::error::Result;
use crate::host::Host;
use crate::kubernetes::Connect;
use crate::kubernetes::client::KubeConnector;
use crate::signal::Interrupt;

/// Reaches the Docker that the environment names.
pub type Dial<E> = Arc<dyn Fn(Surroundings) -> BoxFuture<'static, Result<E>> + Send + Sync>;
/// Opens a stream of output; everything it opens leads to the same place.
pub type Output = Arc<dyn Fn() -> Box<dyn Write + Send> + Send + Sync>;
/// Opens the stream of input.
pub type Input = Arc<dyn Fn() -> Pin<Box<dyn AsyncRead + Send>> + Send + Sync>;

/// The connections of one run.
pub struct Outside<E> {
    /// Reaches Docker.
    pub docker: Dial<E>,
    /// Reaches API servers.
    pub kubernetes: Arc<dyn Connect>,
    /// Looks at this machine.
    pub host: fn() -> Host,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    /// Standard input.
    pub stdin: Input,
    /// Standard output: results.
    pub stdout: Output,
    /// Standard error: everything else.
    pub stderr: Output,
}

impl Outside<DockerEngine> {
    /// The real ones; from now on signals are heard instead of ending the process. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system may refuse to let signals be heard.
    pub fn of_process() -> Result<Self> {
        Ok(Self {
            docker: Arc::new(|around| async move { DockerEngine::connect(&around).await }.boxed()),
            kubernetes: Arc::new(KubeConnector),
            host: Host::real,
            interrupt: Interrupt::listen(Host::real().ignores_hangup())?,
            stdin: Arc::new(|| Box::pin(tokio::io::stdin())),
            stdout: Arc::new(|| Box::new(std::io::stdout())),
            stderr: Arc::new(|| Box::new(std::io::stderr())),
        })
    }
}

impl<E: Engine> Outside<E> {
    /// Writes on standard error. A stderr that is gone cannot be complained about anywhere.
    pub fn complain(&self, text: &[u8]) {
        let mut err = (self.stderr)();
        let _ = err.write_all(text).and_then(|()| err.flush());
    }
}
