//! What a cluster is doing, in one word, as far as its containers tell.

use std::fmt;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::Cluster;
use crate::engine::{ContainerInfo, ContainerState};
use crate::report::span;

/// One word for a whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every node runs.
    Running,
    /// It is there, but something of it is not well.
    Degraded,
    /// No node runs; `knarr start` brings it back.
    Stopped,
    /// Every node is frozen; `knarr unpause` lets it go on.
    Paused,
    /// Parts of it are missing: they are lost, or a creation or deletion was cut off.
    Incomplete,
}

impl State {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Degraded => "Degraded",
            Self::Stopped => "Stopped",
            Self::Paused => "Paused",
            Self::Incomplete => "Incomplete",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Cluster {
    /// What it is doing. Whether what runs is well only its nodes know.
    pub fn state(&self) -> State {
        let all = |wanted: &[ContainerState]| self.containers().all(|container| wanted.contains(&container.state));
        if !self.missing().is_empty() {
            State::Incomplete
        } else if all(&[ContainerState::Running]) {
            State::Running
        } else if all(&[ContainerState::Paused]) {
            State::Paused
        } else if all(&[ContainerState::Exited]) {
            State::Stopped
        } else {
            State::Degraded
        }
    }

    /// How long it may live: `1h 59m`, or `none`; nothing if it lives until it is deleted.
    pub fn time_left(&self, now: OffsetDateTime) -> Option<String> {
        let left = self.expires? - now;
        Some(if left.is_positive() { span(left.unsigned_abs()) } else { "none".to_owned() })
    }

    /// What every cluster has and this one has not, in words.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.first_control_plane().is_none() {
            missing.push("it has no control plane".to_owned());
        }
        if !self.has_network {
            missing.push(format!("its network `{}` is gone", crate::plan::names::network(&self.name)));
        }
        // Docker calls a container so that never ran; knarr starts each one that it makes.
        let unborn = |c: &&ContainerInfo| matches!(c.state, ContainerState::Created | ContainerState::Dead);
        for container in self.containers().filter(unborn) {
            missing.push(format!("container `{}` is {}", container.name, container.state));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Labels;
    use crate::plan::names::ROLE;

    fn cluster(states: &[ContainerState]) -> Cluster {
        let node = |(number, state): (usize, &ContainerState)| ContainerInfo {
            id: number.to_string(),
            name: format!("dev-{number}"),
            image: String::new(),
            labels: Labels::from([(ROLE.into(), if number == 0 { "control-plane" } else { "worker" }.into())]),
            state: *state,
            exit_code: None,
            oom_killed: false,
            addresses: std::collections::BTreeMap::new(),
            ports: Vec::new(),
            created: 0,
            started: 0,
        };
        let nodes = states.iter().enumerate().map(node).collect();
        let (create_id, expires, owner) = (String::new(), None, None);
        Cluster { name: "dev".into(), create_id, expires, owner, has_network: true, nodes, helpers: Vec::new() }
    }

    #[test]
    fn one_word_for_all_nodes() {
        use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running};
        for (states, word) in [
            (&[Running, Running][..], State::Running),
            (&[Exited, Exited], State::Stopped),
            (&[Paused, Paused], State::Paused),
            (&[Running, Exited], State::Degraded),
            (&[Paused, Running], State::Degraded),
            (&[Restarting], State::Degraded),
            (&[Running, Created], State::Incomplete),
            (&[Dead], State::Incomplete),
            (&[], State::Incomplete),
        ] {
            assert_eq!(cluster(states).state(), word, "{states:?}");
        }
        let without = Cluster { has_network: false, ..cluster(&[Exited]) };
        assert_eq!(
            (without.state(), without.missing()),
            (State::Incomplete, vec!["its network `knarr-dev` is gone".into()])
        );
    }

    #[test]
    fn time_runs_out() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let left = |seconds| {
            let expires = Some(now + time::Duration::seconds(seconds));
            Cluster { expires, ..cluster(&[ContainerState::Running]) }.time_left(now)
        };
        for (seconds, words) in [
            (200_000, "2d 7h"),
            (172_800, "2d"),
            (7199, "1h 59m"),
            (61, "1m 1s"),
            (1, "1s"),
            (0, "none"),
            (-100, "none"),
        ] {
            assert_eq!(left(seconds).as_deref(), Some(words));
        }
        assert_eq!(cluster(&[ContainerState::Running]).time_left(now), None);
    }
}
