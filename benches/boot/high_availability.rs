//! Several control planes: how long they take to create, how long writes are away after a loss, how fast a worker comes.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use knarr::cluster::etcd;
use knarr::plan::names;
use serde_json::Value;

use crate::measure::{Bench, Outcome, checked};
use crate::series::Table;
use crate::writes::Writes;

/// Three control planes and two workers.
const SHAPE: [&str; 4] = ["--control-planes", "3", "--workers", "2"];
/// So many acknowledged writes in a row, three seconds of them, mean that writes go on.
const GOES_ON: usize = 30;
/// When writes are given up.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// One cluster: created, its leader killed, its balancer killed, a worker more and a worker less, stopped, started, deleted.
pub fn round(bench: &Bench, table: &mut Table) -> Outcome<()> {
    let (_, took) = bench.create(&SHAPE)?;
    table.add("3+2: create, from Enter to prompt", took.as_secs_f64());
    {
        let writes = Writes::start(&bench.kubeconfig());
        go_on(&writes)?;
        let leader = leader(bench)?;
        let mut row = |what: &str, disturb: &dyn Fn() -> Outcome<()>| -> Outcome<()> {
            writes.record().set_back();
            disturb()?;
            go_on(&writes)?;
            let away = writes.record().longest.as_secs_f64();
            table.add(&format!("3+2: writes interrupted, {what}"), away);
            Ok(())
        };
        row("leader of etcd killed", &|| kill(&leader))?;
        row("leader of etcd started again", &|| bench.on_cluster("start"))?;
        row("balancer killed, then `knarr start`", &|| {
            kill(&names::balancer(bench.name()))?;
            bench.on_cluster("start")
        })?;
    }
    let begun = Instant::now();
    bench.knarr(&["node", "add", "--name", bench.name()])?;
    table.add("3+2: a worker more, from Enter to Ready", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    bench.knarr(&["node", "delete", &format!("{}-worker3", bench.name())])?;
    table.add("3+2: a worker less, from Enter to prompt", begun.elapsed().as_secs_f64());
    for (verb, what) in [("stop", "3+2: stop, from Enter to prompt"), ("start", "3+2: start, from Enter to usable")] {
        let begun = Instant::now();
        bench.on_cluster(verb)?;
        table.add(what, begun.elapsed().as_secs_f64());
    }
    bench.delete()?;
    Ok(())
}

fn kill(container: &str) -> Outcome<()> {
    checked(Command::new("docker").args(["kill", container])).map(drop)
}

/// Waits until writes go on.
fn go_on(writes: &Writes) -> Outcome<()> {
    let (before, begun) = (writes.record().acknowledged.len(), Instant::now());
    while writes.record().acknowledged.len() < before + GOES_ON {
        if begun.elapsed() > GIVEN_UP {
            return Err(format!("writes do not go on: {:#?}", writes.record().refusals));
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The control plane whose member of etcd leads.
fn leader(bench: &Bench) -> Outcome<String> {
    let first = bench.control_plane();
    let asked = etcd::etcdctl(&["endpoint", "status", "--write-out=json"].map(String::from)).argv;
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    for plane in [first.clone(), format!("{first}2"), format!("{first}3")] {
        let output = bench.knarr(&[&["exec", &plane, "--"], &asked[..]].concat())?;
        let all: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("not JSON: {e}"))?;
        let status = &all[0]["Status"];
        if status["leader"] == status["header"]["member_id"] {
            return Ok(plane);
        }
    }
    Err("etcd has no leader".to_owned())
}
