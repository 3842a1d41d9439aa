//! knarr itself killed in the middle: what it made is still known, and one command removes it.

use rustix::process::Signal;

use crate::Case;
use crate::scene::Scene;

pub const CASES: &[Case] = &[("in_the_middle_of_a_creation", in_the_middle_of_a_creation)];

/// The steps at whose beginning knarr dies: only a network, a container that does not run, a node that boots, a
/// cluster that is nearly there.
const STEPS: [usize; 4] = [2, 3, 4, 7];

fn in_the_middle_of_a_creation(scene: &Scene) {
    let cluster = scene.cluster("killed");
    for step in STEPS {
        let mut creating = scene.start(&["create", "cluster", &cluster.name, "-o", "json"]);
        let reached = (0..step).all(|_| creating.until_line(|line| line.contains("\"stepStarted\"")));
        assert!(reached, "there is no step {step}");
        creating.signal(Signal::KILL);
        creating.end().exits(137);
        // Docker may still be carrying out the last call.
        crate::wait::until("the half-made cluster is known", crate::wait::seconds(10), || {
            let run = scene.knarr(&["get", "clusters"]).ok();
            if run.out().lines().any(|line| line == cluster.name) { Ok(()) } else { Err(run.to_string()) }
        });
        cluster.try_create(&[]).exits(6).says(&format!("knarr delete cluster {}", cluster.name));
        assert!(!cluster.objects().is_empty(), "a refused creation removed what was there");
        cluster.delete();
        let config = scene.kubeconfig_text().unwrap_or_default();
        assert!(!config.contains(&cluster.name), "step {step}: {config}");
    }
    cluster.create(&[]);
    cluster.well();
    cluster.delete();
}
