//! Created and deleted again and again, a cluster leaves nothing: no object, no line, no temporary file.

use crate::Case;
use crate::docker;
use crate::scene::Scene;

pub const CASES: &[Case] = &[("five_times", five_times)];

fn five_times(scene: &Scene) {
    let cluster = scene.cluster("again");
    let files = || {
        let list = std::fs::read_dir(scene.folder()).expect("a folder");
        let mut names: Vec<String> =
            list.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    scene.write(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\ncurrent-context: \"\"\nusers: []\n",
    );
    let before = (scene.kubeconfig_text(), files());
    assert_eq!(cluster.objects(), [""; 0]);
    for round in 1..=5 {
        let created = cluster.create(&[]);
        let inspect = docker::inspect(&cluster.control_plane());
        let mounts = inspect["Mounts"].as_array().cloned().unwrap_or_default();
        let volumes: Vec<&str> = mounts.iter().filter_map(|m| m["Name"].as_str()).collect();
        let deleted = cluster.delete();
        eprintln!("round {round}: created in {:?}, deleted in {:?}", created.took, deleted.took);
        for volume in volumes {
            assert_ne!(docker::docker(&["volume", "inspect", volume]).status, 0, "volume {volume} is left");
        }
        assert_eq!((scene.kubeconfig_text(), files()), before, "after round {round}");
    }
}
