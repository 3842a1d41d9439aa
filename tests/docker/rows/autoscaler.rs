//! The autoscaler: how soon it reacted to the load of its sample.

use crate::samples::Watched;
use crate::wait::seconds;

pub fn is_quick(watched: &Watched) {
    let up = watched.time_of("SuccessfulRescale").saturating_sub(watched.time_of("burn?cpu"));
    let last = watched.answered.last().expect("there are commands").1;
    let down = last.saturating_sub(watched.time_of("SuccessfulRescale"));
    eprintln!("hpa: up after {up:?} of load, down after {down:?} more");
    assert!(up < seconds(60), "it took {up:?} of load until there were more Pods");
}
