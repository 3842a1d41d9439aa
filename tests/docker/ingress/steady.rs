//! What must hold over time: no request is lost, whatever changes behind or beside it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::clients::Keeping;
use super::{Site, objects};
use crate::wait::{seconds, until};

const HOST: &str = "many.example";

/// Clients ask without a pause while everything is changed.
pub fn nothing_is_lost(site: &Site) {
    let (stop, asked, lost) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    let client = |method: &str, keeping: bool| {
        let mut client = Keeping::new(site.http());
        while !stop.load(Ordering::Relaxed) {
            if !keeping {
                client = Keeping::new(site.http());
            }
            if let Err(why) = client.ask(method, HOST, "/") {
                lost.lock().unwrap_or_else(PoisonError::into_inner).push(why);
            }
            asked.fetch_add(1, Ordering::Relaxed);
        }
    };
    let lost_so_far = |step: &str| {
        let lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("{step}: {} asked, {} lost", asked.load(Ordering::Relaxed), lost.len());
    };
    thread::scope(|scope| {
        scope.spawn(|| client("GET", true));
        scope.spawn(|| client("POST", true));
        scope.spawn(|| client("GET", false));
        // Whatever happens in between, the clients must come to an end.
        let steps = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            roll(site);
            lost_so_far("the Deployment was rolled");
            scale(site);
            lost_so_far("it was scaled");
            reload(site);
            lost_so_far("Ingresses came and went");
            replace(site);
            lost_so_far("the controller was replaced");
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = steps {
            std::panic::resume_unwind(panic);
        }
    });
    let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(asked.into_inner() > 500, "the clients hardly asked");
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), &lost[..lost.len().min(10)]);
}

fn roll(site: &Site) {
    site.cluster.kubectl(&["rollout", "restart", "deployment/many"]).ok();
    site.cluster.kubectl(&["rollout", "status", "deployment/many", "--timeout=120s"]).ok();
}

fn scale(site: &Site) {
    for count in [5, 1, 3] {
        site.cluster.kubectl(&["scale", "deployment/many", &format!("--replicas={count}")]).ok();
        site.cluster.pods_ready("app=many", count);
    }
}

/// Each new Ingress is one reload, and so is each that goes.
fn reload(site: &Site) {
    let hosts: Vec<String> = (0..5).map(|n| format!("extra{n}")).collect();
    for name in &hosts {
        site.cluster.apply(&objects::simple(name));
        serves(site, name, 200);
    }
    for name in &hosts {
        site.cluster.kubectl(&["delete", "ingress", name]).ok();
        serves(site, name, 404);
    }
}

fn serves(site: &Site, name: &str, status: u16) {
    until(&format!("{name} answers with {status}"), seconds(15), || {
        let answer = site.ask(&[&format!("http://{name}.example/")]);
        if answer.status == status { Ok(()) } else { Err(answer.text) }
    });
}

fn replace(site: &Site) {
    let kubectl = |arguments: &[&str]| site.cluster.kubectl(&[&["-n", "kube-system"], arguments].concat()).ok();
    kubectl(&["rollout", "restart", "daemonset/knarr-ingress"]);
    kubectl(&["rollout", "status", "daemonset/knarr-ingress", "--timeout=180s"]);
    until("only the new one is left", seconds(150), || {
        let run = kubectl(&["get", "pods", "-l", "dev.knarr.addon=ingress", "-o", "name"]);
        if run.out().lines().count() == 1 { Ok(()) } else { Err(run.out()) }
    });
}
