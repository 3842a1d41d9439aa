//! Interruption: the first signal asks the run to stop and undo, the second one gives up on the undo.
//!
//! Nothing here ends the process. Whoever runs a command waits on [`Interrupt::forced`] beside it and decides.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::error::{Error, ErrorKind, Result};

/// Hears SIGINT, SIGTERM and SIGHUP; clones hear the same.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    asked: CancellationToken,
    forced: CancellationToken,
}

impl Interrupt {
    /// Hears nothing but [`Interrupt::signal`]: for tests, and for runs inside another program.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Hears the process's signals from now on; must be called inside a tokio runtime. With `ignore_hangup` SIGHUP is
    /// left as it is (`nohup` asked for that).
    ///
    /// # Errors
    /// The system may refuse a handler.
    pub fn listen(ignore_hangup: bool) -> Result<Self> {
        let interrupt = Self::default();
        #[cfg(unix)]
        {
            use tokio::signal::unix::SignalKind;
            let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
            if !ignore_hangup {
                kinds.push(SignalKind::hangup());
            }
            for kind in kinds {
                let mut stream = tokio::signal::unix::signal(kind)
                    .map_err(|e| Error::new(ErrorKind::Bug, "cannot listen for signals").source(&e))?;
                let heard = interrupt.clone();
                tokio::spawn(async move {
                    while stream.recv().await.is_some() {
                        heard.signal();
                    }
                });
            }
        }
        Ok(interrupt)
    }

    /// Counts as one signal.
    pub fn signal(&self) {
        if self.asked.is_cancelled() {
            self.forced.cancel();
        }
        self.asked.cancel();
    }

    /// Cancelled by the first signal; hand it to everything that should stop.
    pub fn token(&self) -> &CancellationToken {
        &self.asked
    }

    /// Whether a signal came.
    pub fn is_interrupted(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Completes with the second signal.
    pub fn forced(&self) -> WaitForCancellationFuture<'_> {
        self.forced.cancelled()
    }

    /// Whether a second signal came.
    pub fn is_forced(&self) -> bool {
        self.forced.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn soon(event: impl Future<Output = ()>) {
        tokio::time::timeout(Duration::from_secs(5), event).await.expect("the signal is heard");
    }

    #[tokio::test]
    async fn the_first_asks_and_the_second_forces() {
        let interrupt = Interrupt::manual();
        assert!(!interrupt.is_interrupted());
        let clone = interrupt.clone();
        clone.signal();
        soon(interrupt.token().cancelled()).await;
        assert!(interrupt.is_interrupted() && !interrupt.is_forced());
        clone.signal();
        soon(interrupt.forced()).await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn hears_real_signals() {
        use rustix::process::{Signal, getpid, kill_process};
        let interrupt = Interrupt::listen(false).expect("handlers are accepted");
        kill_process(getpid(), Signal::TERM).expect("one may signal oneself");
        soon(interrupt.token().cancelled()).await;
        assert!(!interrupt.is_forced());
        kill_process(getpid(), Signal::INT).expect("one may signal oneself");
        soon(interrupt.forced()).await;
    }
}
