//! What a plan is for, in the words of messages.

use std::time::Duration;

/// The verbs that are carried out as plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make a cluster.
    Create,
    /// Stop its nodes; everything is kept.
    Stop,
    /// Start what does not run.
    Start,
    /// Stop, and start again.
    Restart,
    /// Freeze its nodes.
    Pause,
    /// Let them go on.
    Unpause,
    /// Give it new certificates.
    Renew,
    /// Add nodes to it.
    Grow,
    /// Take nodes from it.
    Shrink,
    /// Open ports of the host.
    Open,
    /// Close them.
    Close,
    /// Make anew what is lost or broken.
    Repair,
    /// Change what its nodes are told: their labels and taints, and how they reach registries.
    Change,
}

impl Verb {
    /// `stopping`
    pub const fn doing(self) -> &'static str {
        match self {
            Self::Create => "creating",
            Self::Stop => "stopping",
            Self::Start => "starting",
            Self::Restart => "restarting",
            Self::Pause => "pausing",
            Self::Unpause => "unpausing",
            Self::Renew => "renewing the certificates of",
            Self::Grow => "adding nodes to",
            Self::Shrink => "removing nodes from",
            Self::Open => "opening ports of",
            Self::Close => "closing ports of",
            Self::Repair => "repairing",
            Self::Change => "changing",
        }
    }

    /// `stopped`
    pub const fn done(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Stop => "stopped",
            Self::Start => "started",
            Self::Restart => "restarted",
            Self::Pause => "paused",
            Self::Unpause => "unpaused",
            Self::Renew => "renewed",
            Self::Grow => "grown",
            Self::Shrink => "shrunk",
            Self::Open => "opened",
            Self::Close => "closed",
            Self::Repair => "repaired",
            Self::Change => "changed",
        }
    }

    /// What a cluster did not do in time: `become usable`.
    pub const fn goal(self) -> &'static str {
        match self {
            Self::Create
            | Self::Start
            | Self::Restart
            | Self::Unpause
            | Self::Renew
            | Self::Grow
            | Self::Shrink
            | Self::Repair
            | Self::Change => "become usable",
            Self::Open => "open its ports",
            Self::Close => "close its ports",
            Self::Stop => "stop",
            Self::Pause => "freeze",
        }
    }

    /// How long calls in flight may still take after an interrupt, or after the time is up. A stop of a node takes five
    /// seconds; a creation still has to remove what it made, within fifteen in all.
    pub const fn grace(self) -> Duration {
        match self {
            Self::Stop | Self::Restart => Duration::from_secs(12),
            _ => Duration::from_secs(5),
        }
    }
}
