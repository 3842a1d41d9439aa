//! Whether a cluster can be changed while it lives: it must run, and to get more it must be whole.

use super::reshape::Found;
use crate::cluster::{Recalled, State};
use crate::error::{Error, Result};

/// An error if no part of the cluster can be asked or told anything.
pub(super) fn must_run<E>(found: &Found<E>) -> Result<()> {
    let (name, state) = (&found.cluster.name, found.cluster.state());
    let hint = match state {
        State::Running | State::Degraded => return Ok(()),
        State::Paused => format!("let it go on with `knarr unpause {name}`"),
        State::Stopped => format!("start it with `knarr start {name}`"),
        State::Incomplete => format!("make it whole with `knarr repair {name}`"),
    };
    let error = Error::failed(format!("cluster `{name}` is {}", state.as_str().to_lowercase()));
    Err(found.cluster.missing().into_iter().fold(error, Error::cause).hint(hint))
}

/// A cluster that gets more must run and be whole, or what is missing would be taken for part of the growth.
pub(super) fn must_be_whole<E>(found: &Found<E>) -> Result<()> {
    must_run(found)?;
    let Recalled { missing, behind, .. } = &found.recalled;
    let state = found.cluster.state();
    if missing.is_empty() && behind.is_empty() && state == State::Running {
        return Ok(());
    }
    let name = &found.cluster.name;
    let error = Error::failed(format!("cluster `{name}` is not whole"));
    let error =
        if state == State::Running { error } else { error.cause(format!("it is {}", state.as_str().to_lowercase())) };
    let error = missing.iter().fold(error, |error, gone| error.cause(format!("`{gone}` is missing")));
    let error = behind.iter().fold(error, |error, old| error.cause(format!("`{old}` does not know the last change")));
    Err(error.hint(format!(
        "see how it is with `knarr status {name}`; bring it back with `knarr start {name}` or `knarr repair {name}`"
    )))
}
