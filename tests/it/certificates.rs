//! `knarr certs`, and the renewal that every start makes: certificates that end, that are broken, that are foreign.

use knarr::cluster::{self, certificates};
use knarr::engine::Engine;
use knarr::engine::archive::Tree;
use knarr::node::render;
use knarr::pki::Pki;
use time::OffsetDateTime;

use crate::env::{Env, KUBECONFIG, filtered};
use crate::lifecycle::created;

/// Gives the nodes certificates that end three minutes from now: made a year ago, as those of an old cluster are.
async fn age(env: &Env, left: time::Duration) {
    let cluster = cluster::find(&env.engine, "dev").await.expect("it is there");
    let layout = cluster::recall(&env.engine, &cluster).await.expect("it can be recalled").layout;
    let roots = certificates::roots(&env.engine, &cluster).await.expect("they are there");
    let then = OffsetDateTime::now_utc() - time::Duration::days(365) + left;
    let pki = Pki::reissue(roots, &layout, then).expect("signed");
    for node in &layout.nodes {
        let mut tree = Tree::new(0);
        for file in render::leaf_files(&layout, node) {
            let path = file.path.trim_start_matches('/').to_owned();
            match render::materialize(&file, &pki).expect("bytes") {
                render::Entry::Folder => tree.folder(&path, file.mode),
                render::Entry::Link(target) => tree.link(&path, &target),
                render::Entry::File(bytes) => tree.file(&path, file.mode, bytes.to_vec()),
            }
            .expect("packed");
        }
        let tar = tree.build().expect("packed");
        env.engine.put_archive(node.spec.name.as_str(), "/", tar).await.expect("put");
    }
}

#[tokio::test(start_paused = true)]
async fn old_certificates_are_renewed_on_the_way() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    assert_eq!(env.knarr("certs check dev").await.status, 0);
    let (kubeconfig, ca) =
        (env.kubeconfig(), env.engine.file("dev-control-plane", "/var/lib/knarr/kubernetes/pki/ca.crt"));
    for (left, stop) in
        [(time::Duration::days(100), true), (time::Duration::minutes(3), false), (-time::Duration::MINUTE, false)]
    {
        age(&env, left).await;
        if stop {
            assert_eq!(env.knarr("stop dev").await.status, 0);
        }
        // Within 30 days it is worth a complaint; a start renews long before.
        let check = env.knarr("certs check dev").await;
        assert_eq!(check.status, if left < time::Duration::days(30) { 5 } else { 0 }, "{left}: {check}");
        if !stop {
            // Those that end soon are shown, as `certs check` shows them, and no others.
            let status = env.knarr("status dev").await;
            let shown = |text: &str| text.lines().filter(|line| line.contains(".pem ")).map(str::to_owned).collect();
            let (shown, listed): (Vec<String>, Vec<String>) = (shown(&status.stdout), shown(&check.stdout));
            assert!(!shown.is_empty() && shown.len() == listed.len(), "{status}\n{check}");
            assert!(
                status.stdout.contains("certificates that are broken or end within 120 days: 18 of 22"),
                "{status}"
            );
            assert!(!status.stdout.contains("/etcd/ca.crt"), "an authority lasts\n{status}");
        }
        let run = env.knarr("start dev").await;
        assert_eq!(run.status, 0, "{left}: {run}");
        assert!(run.stderr.contains("dev: renewed the certificates of 2 nodes"), "{run}");
        assert_eq!(run.stderr.contains("restarted the components"), !stop, "{run}");
        assert!(run.stderr.contains("brought the kubeconfig entry of cluster `dev` up to date"), "{run}");
        assert_eq!(env.knarr("certs check dev").await.status, 0, "{left}");
        assert_eq!(env.knarr("status dev").await.status, 0, "{left}");
    }
    assert_ne!(env.kubeconfig(), kubeconfig, "its certificate is a new one");
    assert_eq!(env.engine.file("dev-control-plane", "/var/lib/knarr/kubernetes/pki/ca.crt"), ca, "the authority stays");
    let run = env.knarr("start dev").await;
    assert!(!run.stderr.contains("renewed"), "{run}");
    assert_eq!(env.knarr("delete dev").await.status, 0);
    assert_eq!(env.kubeconfig(), KUBECONFIG);
}

#[tokio::test(start_paused = true)]
async fn broken_certificates_are_named() {
    let env = created("--workers 1").await;
    let put = |path: &'static str, bytes: &'static [u8]| {
        let engine = env.engine.clone();
        async move {
            let mut tree = Tree::new(0);
            tree.file(path, 0o644, bytes).expect("packed");
            engine.put_archive("dev-worker", "/", tree.build().expect("packed")).await.expect("put");
        }
    };
    put("var/lib/kubelet/pki/kubelet.crt", b"nonsense").await;
    let run = env.knarr("certs check dev").await;
    assert_eq!(run.status, 5);
    insta::assert_snapshot!(run.stderr, @r"
    error: 1 certificate of cluster `dev` needs attention
      `/var/lib/kubelet/pki/kubelet.crt` of `dev-worker`: the file is missing, or there is no certificate in it
    hint: renew them with `knarr certs renew dev`
    ");
    assert_eq!(env.knarr("certs renew dev").await.status, 0);
    assert_eq!(env.knarr("certs check dev -o json").await.status, 0);
}

/// A certificate of another cluster is not taken for one of this.
#[tokio::test(start_paused = true)]
async fn a_foreign_certificate() {
    let env = created("").await;
    assert_eq!(env.knarr("create other").await.status, 0);
    let path = "var/lib/knarr/kubernetes/pki/scheduler.pem";
    let foreign = env.engine.file("other-control-plane", &format!("/{path}")).expect("it is there");
    let mut tree = Tree::new(0);
    tree.file(path, 0o600, foreign).expect("packed");
    env.engine.put_archive("dev-control-plane", "/", tree.build().expect("packed")).await.expect("put");
    let run = env.knarr("certs check dev").await;
    assert!(run.status == 5 && run.stderr.contains("the cluster's authority `kubernetes` did not sign it"), "{run}");
    assert!(env.knarr("start dev").await.stderr.contains("renewed the certificates of 1 node"));
    assert_eq!(env.knarr("certs check dev").await.status, 0);
}
