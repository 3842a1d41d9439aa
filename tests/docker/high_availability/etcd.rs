//! etcd as its own program shows it, asked on a control plane.

use knarr::cluster::etcd;
use serde_json::Value;

use crate::cluster::{Cluster, text};
use crate::wait::{seconds, until};

fn etcdctl(cluster: &Cluster<'_>, plane: &str, words: &[&str]) -> Result<Value, String> {
    let words: Vec<String> = words.iter().map(ToString::to_string).chain(["--write-out=json".into()]).collect();
    let etcdctl = etcd::etcdctl(&words).argv;
    let run = cluster.exec(plane, &etcdctl.iter().map(String::as_str).collect::<Vec<_>>());
    if run.status == 0 { Ok(run.json()) } else { Err(run.to_string()) }
}

/// Which of the control planes leads.
pub fn leader(cluster: &Cluster<'_>, planes: &[String]) -> String {
    let leads = |plane: &&String| {
        let status = etcdctl(cluster, plane, &["endpoint", "status"]).ok()?;
        let status = &status[0]["Status"];
        (status["leader"] == status["header"]["member_id"]).then(|| (*plane).clone())
    };
    until("etcd has a leader", seconds(30), || planes.iter().find_map(|plane| leads(&plane)).ok_or_else(String::new))
}

/// Waits until exactly these control planes are its members, each with a vote.
pub fn voters(cluster: &Cluster<'_>, planes: &[String]) {
    let mut wanted = planes.to_vec();
    wanted.sort();
    until("every control plane votes", seconds(30), || {
        let list = etcdctl(cluster, &planes[0], &["member", "list"])?;
        let members = list["members"].as_array().cloned().unwrap_or_default();
        let mut voters: Vec<&str> =
            members.iter().filter(|m| m["isLearner"] != true).map(|m| text(m, "/name")).collect();
        voters.sort_unstable();
        if voters == wanted && members.len() == wanted.len() { Ok(()) } else { Err(list.to_string()) }
    });
}
