//! Which cluster a command is about: what is typed goes before a config file, that before `KNARR_CLUSTER`, that before
//! `knarr`; and what cannot be a name is told so by every verb.

use crate::env::Env;

const FILE: &str = "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\n";

/// A machine with the clusters `dev` and `other`, where the environment names `other`.
async fn two() -> Env {
    let mut env = Env::new();
    for name in ["dev", "other"] {
        assert_eq!(env.knarr(&format!("create {name}")).await.status, 0);
    }
    env.environment.cluster = Some("other".into());
    env
}

fn file(env: &Env, text: &str) -> String {
    let path = env.kubeconfig_path().with_file_name("cluster.yaml");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_goes_before_the_environment() {
    let env = two().await;
    for typed in ["status dev", "status --name dev", "repair dev --dry-run", "certs check dev", "stop dev --dry-run"] {
        let run = env.knarr(typed).await;
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(run.status == 0 && all.contains("dev") && !all.contains("other"), "{run}");
    }
    for untyped in ["status", "repair --dry-run", "certs check", "stop --dry-run", "get nodes", "port list -o json"] {
        let run = env.knarr(untyped).await;
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(run.status == 0 && !all.contains("dev"), "{run}");
    }
    let run = env.knarr("stop -A --dry-run").await;
    assert!(run.status == 0 && run.stdout.contains("dev") && run.stdout.contains("other"), "{run}");
    let run = env.knarr("status dev --name other").await;
    assert!(run.status == 2 && run.stderr.contains("'[NAME]' cannot be used with '--name <NAME>'"), "{run}");
    assert_eq!(env.knarr("delete").await.status, 0);
    assert_eq!(env.knarr("get clusters").await.stdout, "dev\n");
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_before_the_environment() {
    let mut env = Env::new();
    env.environment.cluster = Some("there".into());
    let (named, nameless) = (format!("{FILE}name: written\n"), FILE.to_owned());
    for (text, flags, name) in [
        (Some(&named), "typed", "typed"),
        (Some(&named), "--name typed", "typed"),
        (Some(&named), "", "written"),
        (Some(&nameless), "", "there"),
        (None, "typed", "typed"),
        (None, "", "there"),
    ] {
        let config = text.map(|text| format!("-f {}", file(&env, text))).unwrap_or_default();
        let mut verbs = vec![format!("create {config} {flags}")];
        if text.is_some() && flags != "typed" {
            verbs.push(format!("apply {config} {flags}"));
        }
        for verb in verbs {
            let run = env.knarr(&format!("{verb} --dry-run")).await;
            assert!(run.status == 0 && run.stdout.contains(&format!(" {name}-control-plane")), "{run}");
        }
    }
    env.environment.cluster = None;
    assert!(env.knarr("create --dry-run").await.stdout.contains(" knarr-control-plane"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_name() {
    let mut env = two().await;
    for verb in
        ["delete Dev", "stop Dev", "status Dev", "get kubeconfig --name Dev", "node add -n Dev", "why --name Dev"]
    {
        let run = env.knarr(verb).await;
        assert!(run.status == 2 && run.stderr.contains("`Dev` is not a cluster name: use 1 to 32"), "{run}");
    }
    env.environment.cluster = Some("Dev".into());
    for verb in ["delete", "stop", "status", "get nodes", "kubectl get nodes", "create", "up"] {
        let run = env.knarr(verb).await;
        assert!(run.status == 2 && run.stderr.contains("KNARR_CLUSTER: `Dev` is not a cluster name"), "{run}");
    }
    insta::assert_snapshot!(env.knarr("stop").await, @r"
    $ knarr stop
    --- stderr ---
    error: KNARR_CLUSTER: `Dev` is not a cluster name: use 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends, for example `dev` or `pr-123`
      nothing was changed
    hint: set it to a name that `knarr get clusters` lists, or unset KNARR_CLUSTER
    --- exit status 2 ---
    ");
    insta::assert_snapshot!(env.knarr("create").await, @r"
    $ knarr create
    --- stderr ---
    error: the command line has 1 problem
      KNARR_CLUSTER: `Dev` is not a cluster name: use 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends, for example `dev` or `pr-123`
      nothing was created
    hint: see what flags mean with `knarr create --help`
    --- exit status 2 ---
    ");
    // Whatever does not need it does not mind.
    let config = file(&env, &format!("{FILE}name: written\n"));
    for verb in ["status dev".to_owned(), "version".to_owned(), format!("create -f {config} --dry-run")] {
        let run = env.knarr(&verb).await;
        assert_eq!(run.status, 0, "{run}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_help_of_kubectl_needs_no_cluster() {
    let env = Env::new();
    for flag in ["--help", "-h"] {
        let run = env.knarr(&format!("kubectl {flag}")).await;
        assert!(run.status == 0 && run.stdout.contains("Usage: knarr kubectl"), "{run}");
    }
    assert_eq!(env.knarr("kubectl get --help").await.status, 7);
}
