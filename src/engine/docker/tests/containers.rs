//! What is inside: images, the life of a container, programs in it.

use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::engine::archive::read_one;
use crate::engine::{ContainerState, ExecOutput};

#[test]
fn info_and_images() {
    with_docker(|b| async move {
        let info = b.engine.info().await.unwrap();
        assert_eq!(info.os, "linux");
        assert!(["amd64", "arm64"].contains(&info.arch.as_str()), "{info:?}");
        assert!(info.clock.is_some() && info.memory > 0 && [1, 2].contains(&info.cgroup_version), "{info:?}");

        let image = b.engine.find_image(&b.image()).await.unwrap().unwrap();
        assert_eq!((image.tags.clone(), image.arch), (vec![b.image()], info.arch));
        assert!(image.size > 0 && image.created > 0);
        assert!(b.engine.find_image(&image.id).await.unwrap().is_some());
        assert_eq!(b.engine.find_image("knarr-et-none:1").await.unwrap(), None);
        b.engine.tag_image(&b.image(), &b.name("tagged")).await.unwrap();
        assert_eq!(kind(b.engine.tag_image("knarr-et-none:1", "x").await), EngineErrorKind::NotFound);
        assert_eq!(b.engine.find_image(&b.image()).await.unwrap().unwrap().tags.len(), 2);

        let mut saved = b.engine.save_images(&[b.image()]).await.unwrap();
        let mut size = 0;
        while let Some(piece) = saved.next().await {
            size += piece.unwrap().len();
        }
        assert!(size > 500_000, "{size}");
        assert_eq!(
            kind(b.engine.save_images(&["knarr-et-none:1".into()]).await.map(|_| ())),
            EngineErrorKind::NotFound
        );
        b.engine.remove_image("knarr-et-none:1", true).await.unwrap();
    });
}

#[test]
fn a_life_of_a_container() {
    with_docker(|b| async move {
        let e = &b.engine;
        let spec = b.spec("life");
        let name = spec.name.as_str();
        assert_eq!(e.inspect_container(name).await.unwrap(), None);
        let id = e.create_container(&spec).await.unwrap();
        assert_eq!(kind(e.create_container(&spec).await), EngineErrorKind::Conflict);
        let made = e.inspect_container(&id).await.unwrap().unwrap();
        assert_eq!((made.name.as_str(), made.state, made.exit_code), (name, ContainerState::Created, None));
        assert_eq!((made.image, made.labels), (b.image(), b.labels()));
        e.start_container(name).await.unwrap();
        e.start_container(name).await.unwrap();
        while e.container_logs(name, 5).await.unwrap().len() < 2 {}
        let mut lines = e.container_logs(name, 5).await.unwrap();
        lines.sort();
        assert_eq!(lines, ["bad", "up"]);
        assert_eq!(e.container_logs(name, 1).await.unwrap().len(), 1);
        let stats = e.stats(name).await.unwrap();
        assert!(stats.cpu_nanos > 0 && stats.memory > 0 && stats.anonymous.is_some(), "{stats:?}");
        let (status, stop) = tokio::join!(e.wait_container(name), e.stop_container(name, 20));
        stop.unwrap();
        assert_eq!(status.unwrap(), 7);
        e.stop_container(name, 1).await.unwrap();
        let ended = &e.list_containers(&b.label()).await.unwrap()[0];
        assert_eq!((ended.state, ended.name.as_str()), (ContainerState::Exited, name));
        assert_eq!(e.inspect_container(name).await.unwrap().unwrap().exit_code, Some(7));
        assert_eq!(kind(e.exec(name, &ExecSpec::new(["true"])).await), EngineErrorKind::Other);
        // A file that was put into a stopped container is there when it runs.
        let mut tree = Tree::new(0);
        tree.file("etc/knarr/ca.key", 0o600, b"secret".to_vec()).unwrap();
        e.put_archive(name, "/", tree.build().unwrap()).await.unwrap();
        e.start_container(name).await.unwrap();
        let (_, out, _) = b
            .exec(name, "busybox stat -c '%a %u %g' /etc/knarr /etc/knarr/ca.key; busybox cat /etc/knarr/ca.key")
            .await;
        assert_eq!(out, "755 0 0\n600 0 0\nsecret");
        let file = e.get_archive(name, "/etc/knarr/ca.key").await.unwrap();
        assert_eq!(read_one(file).await.unwrap().as_slice(), b"secret");
        assert_eq!(kind(e.get_archive(name, "/none").await.map(|_| ())), EngineErrorKind::NotFound);
        assert_eq!(kind(e.put_archive(name, "/none", tree.build().unwrap()).await), EngineErrorKind::NotFound);
        // Two removals at once, and a third of what is gone.
        let (one, two) = tokio::join!(e.remove_container(name), e.remove_container(name));
        one.unwrap();
        two.unwrap();
        e.remove_container(name).await.unwrap();
        assert_eq!(kind(e.start_container(name).await), EngineErrorKind::NotFound);
        let absent = ContainerSpec { image: "knarr-et-none:1".into(), ..b.spec("absent") };
        assert_eq!(kind(e.create_container(&absent).await), EngineErrorKind::NotFound);
    });
}

#[test]
fn programs_in_containers() {
    with_docker(|b| async move {
        let e = &b.engine;
        let name = b.name("exec");
        b.run(&b.spec("exec")).await;
        assert_eq!(b.exec(&name, "echo out; echo err >&2; exit 3").await, (3, "out\n".into(), "err\n".into()));
        let (status, ..) = b.exec(&name, "exec /none").await;
        assert_eq!(status, 127);
        let missing = e.exec(&name, &ExecSpec::new(["/none"])).await;
        assert!(missing.as_ref().map_or(true, |o| o.status != 0), "{missing:?}");
        // More than any buffer holds, in and out at once, bytes of every value.
        let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        let cat = ExecSpec { stdin: Some(data.clone()), ..ExecSpec::new(["busybox", "cat"]) };
        assert_eq!(e.exec(&name, &cat).await.unwrap().stdout, data);
        // A program that does not read what it is given.
        let deaf = ExecSpec { stdin: Some(data), ..ExecSpec::new(["busybox", "true"]) };
        assert_eq!(e.exec(&name, &deaf).await.unwrap().status, 0);
        let here =
            ExecSpec { working_dir: "/tmp".into(), env: vec!["A=b".into()], ..ExecSpec::new(sh("pwd; echo $A")) };
        assert_eq!(e.exec(&name, &here).await.unwrap().stdout, b"/tmp\nb\n");

        let attached = ExecSpec { attach_stdin: true, ..ExecSpec::new(sh("busybox cat; echo end >&2; exit 4")) };
        let AttachedExec { id, mut output, mut input } = e.exec_attached(&name, &attached).await.unwrap();
        input.write_all(b"hello").await.unwrap();
        assert_eq!(output.next().await.unwrap().unwrap(), ExecOutput::Stdout(b"hello".to_vec()));
        drop(input);
        assert_eq!(output.next().await.unwrap().unwrap(), ExecOutput::Stderr(b"end\n".to_vec()));
        assert!(output.next().await.is_none());
        assert_eq!(e.exec_status(&id).await.unwrap(), 4);

        let tty = ExecSpec { tty: true, attach_stdin: true, ..ExecSpec::new(sh("read x; busybox stty size; exit 5")) };
        let AttachedExec { id, mut output, mut input } = e.exec_attached(&name, &tty).await.unwrap();
        e.resize_exec(&id, 101, 33).await.unwrap();
        input.write_all(b"go\n").await.unwrap();
        let mut seen = Vec::new();
        while let Some(Ok(ExecOutput::Stdout(piece))) = output.next().await {
            seen.extend(piece);
        }
        assert_eq!(String::from_utf8(seen).unwrap(), "go\r\n33 101\r\n");
        assert_eq!(e.exec_status(&id).await.unwrap(), 5);
    });
}

#[test]
fn commit_makes_an_image() {
    with_docker(|b| async move {
        let e = &b.engine;
        let spec = b.spec("builder");
        b.run(&spec).await;
        b.exec(&spec.name, "echo made >/made").await;
        let commit = CommitSpec {
            container: spec.name.clone(),
            reference: b.name("committed"),
            entrypoint: sh("busybox cat /made; echo $A; exit 3"),
            env: vec!["A=b".into()],
            labels: [("made".to_owned(), "yes".to_owned())].into(),
            stop_signal: Some("SIGRTMIN+3".into()),
        };
        let id = e.commit(&commit).await.unwrap();
        let image = e.find_image(&commit.reference).await.unwrap().unwrap();
        assert_eq!((image.id, image.labels["made"].as_str()), (id, "yes"));
        assert!(e.list_images("made=yes").await.unwrap().iter().any(|i| i.tags == image.tags));
        let run = ContainerSpec { image: commit.reference, entrypoint: None, ..b.spec("committed") };
        b.run(&run).await;
        assert_eq!(e.wait_container(&run.name).await.unwrap(), 3);
        assert_eq!(e.container_logs(&run.name, 10).await.unwrap(), ["made", "b"]);
    });
}
