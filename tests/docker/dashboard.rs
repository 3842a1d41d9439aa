//! The dashboard in a real browser: every page draws what the cluster has, and nobody without the address gets in.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::processes::run;
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{Case, shared};

pub const CASES: &[Case] = &[("pages_in_a_browser", pages_in_a_browser)];

const BROWSERS: [&str; 4] = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/// `knarr dashboard` in the background, killed when the case ends.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(scene: &Scene, cluster: &str) -> Self {
        let path = scene.path("dashboard.json");
        let file = File::create(&path).expect("a temporary file");
        let mut command = scene.command(&["dashboard", "--name", cluster, "-o", "json"]);
        let child = command.stdin(Stdio::null()).stdout(file).spawn().expect("knarr starts");
        let url = until("the dashboard's address", seconds(10), || {
            let text = std::fs::read(&path).map_err(|e| e.to_string())?;
            let printed: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
            printed["url"].as_str().map(str::to_owned).ok_or_else(|| printed.to_string())
        });
        Self { child, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already, which is what the case asserts.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A browser of this machine, if there is one.
fn browser() -> Option<&'static str> {
    BROWSERS.into_iter().find(|b| Command::new(b).arg("--version").output().is_ok_and(|o| o.status.success()))
}

/// What a page looks like to a person once its scripts have run.
fn page(browser: &str, scene: &Scene, address: &str) -> String {
    let profile = format!("--user-data-dir={}", scene.path("browser").display());
    // A browser that runs as root has no sandbox; the pages are our own.
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--timeout=20000"];
    let mut command = Command::new(browser);
    command.args(flags).args([&profile, "--dump-dom", address]);
    run(&mut command, b"").ok().out()
}

fn pages_in_a_browser(scene: &Scene) {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED dashboard::pages_in_a_browser: no browser; install Debian's chromium-headless-shell");
        return;
    };
    let shared = shared::cluster(scene);
    let mut served = Served::start(scene, &shared.cluster.name);
    for (hash, expected) in [
        ("", &["nodes ready", ">3 of 3<", shared.nodes[1].as_str()][..]),
        ("#/nodes", &[shared.nodes[0].as_str(), shared.nodes[2].as_str(), ">Ready<", "control-plane"]),
        ("#/pods", &["coredns-", ">Running<", "kube-system"]),
        ("#/deployments/kube-system/coredns", &["Deployment kube-system/coredns", "scale…", "kind: Deployment"]),
        ("#/services", &["kube-dns", "ClusterIP", "53/UDP"]),
        ("#/pods/-/nobody", &["role=\"alert\""]),
    ] {
        let dom = page(browser, scene, &format!("{}{hash}", served.url));
        let main = dom.split_once("<main").map_or("", |(_, main)| main);
        for text in expected {
            assert!(main.contains(text), "`{text}` is not on page `{hash}`:\n{dom}");
        }
    }
    let (open, _) = served.url.split_once("?token=").expect("the address carries a secret");
    let stranger = page(browser, scene, open);
    assert!(stranger.contains("open the address that") && !stranger.contains("<main"), "{stranger}");

    let pid = Pid::from_raw(served.child.id().cast_signed()).expect("a process id");
    kill_process(pid, Signal::INT).expect("one's own child may be signalled");
    let status = served.child.wait().expect("it ends");
    assert!(status.success(), "Ctrl-C ends it well: {status}");
}
