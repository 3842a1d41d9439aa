//! The clocks of this machine and of the Docker host: certificates are only valid in between.

use std::time::SystemTime;

use super::facts::{Facts, NO_ENGINE};
use super::{Check, Finding};

const WARN_SECONDS: u64 = 60;
const FAIL_SECONDS: u64 = 300;

pub(super) const CHECKS: [Check; 1] = [Check {
    id: "clock",
    title: "clock",
    why: "certificates made here must already be valid there; virtual machines fall behind when a laptop sleeps",
    fast: true,
    probe: clock,
}];

fn clock(facts: &Facts) -> Finding {
    let needed = format!("less than {WARN_SECONDS}s between this machine and Docker's");
    let Some(info) = facts.info() else {
        return Finding::unknown(NO_ENGINE).needed(needed);
    };
    let here = facts.now.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_secs()).ok());
    let (Some(here), Some(there)) = (here, info.clock) else {
        return Finding::unknown("the engine does not tell its time").needed(needed);
    };
    let apart = here.abs_diff(there);
    let found = match apart {
        // The answer itself takes a moment, and the engine's time has whole seconds.
        0..=2 => "in step".to_owned(),
        _ if there < here => format!("Docker's machine is {apart}s behind"),
        _ => format!("Docker's machine is {apart}s ahead"),
    };
    let fix = "set both by network time (`sudo systemctl restart systemd-timesyncd`), or restart Docker Desktop";
    if apart > FAIL_SECONDS {
        Finding::fail(found).fix(fix)
    } else if apart > WARN_SECONDS {
        Finding::warn(found).fix(fix)
    } else {
        Finding::ok(found)
    }
    .needed(needed)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::facts::healthy;
    use super::*;

    #[test]
    fn thresholds_hold_in_both_directions() {
        let at = |skew: i64| {
            let mut facts = healthy();
            let here = facts.now.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
            let here = i64::try_from(here).expect("before the end of time");
            facts.engine.as_mut().expect("healthy").clock = Some(here + skew);
            clock(&facts)
        };
        for (skew, status) in [
            (0, Status::Ok),
            (60, Status::Ok),
            (-61, Status::Warn),
            (300, Status::Warn),
            (301, Status::Fail),
            (-301, Status::Fail),
        ] {
            assert_eq!(at(skew).status, status, "{skew}");
        }
        assert_eq!(at(-90).found, "Docker's machine is 90s behind");
        assert_eq!(at(1).found, "in step");
    }
}
