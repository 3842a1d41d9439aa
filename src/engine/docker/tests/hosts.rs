//! What a container shares with its host: networks, ports, mounts, rights, limits.

use std::collections::BTreeMap;

use super::*;
use crate::engine::{Attachment, ContainerState, MountSource, MountSpec, PortBinding};
use crate::spec::values::Protocol;

#[test]
fn networks_addresses_and_ports() {
    with_docker(|b| async move {
        let e = &b.engine;
        let free = |third: u8| NetworkSpec {
            name: b.name("net"),
            labels: b.labels(),
            subnet: format!("10.213.{third}.0/24").parse().unwrap(),
            gateway: [10, 213, third, 1].into(),
            ip_range: format!("10.213.{third}.128/25").parse().unwrap(),
        };
        let net = free(77);
        e.create_network(&net).await.unwrap();
        assert_eq!(kind(e.create_network(&free(78)).await), EngineErrorKind::Conflict, "the same name");
        let overlapping = NetworkSpec { name: b.name("net2"), ..net.clone() };
        assert_eq!(kind(e.create_network(&overlapping).await), EngineErrorKind::AddressTaken);

        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let spec = |suffix: &str, address: u8| ContainerSpec {
            network: Some(Attachment {
                network: net.name.clone(),
                address: Some([10, 213, 77, address].into()),
                aliases: vec![b.name(&format!("alias{address}"))],
            }),
            ports: vec![PortBinding {
                host_address: [127, 0, 0, 1].into(),
                host_port: port,
                container_port: 6443,
                protocol: Protocol::Tcp,
            }],
            ..b.spec(suffix)
        };
        let (one, two) = (spec("one", 5), spec("two", 6));
        e.create_container(&one).await.unwrap();
        assert_eq!(kind(e.start_container(&one.name).await), EngineErrorKind::PortTaken, "by a process");
        let left = e.inspect_container(&one.name).await.unwrap().unwrap();
        assert_eq!((left.state, left.addresses[&net.name]), (ContainerState::Created, [10, 213, 77, 5].into()));
        drop(holder);
        e.start_container(&one.name).await.unwrap();
        e.create_container(&two).await.unwrap();
        assert_eq!(kind(e.start_container(&two.name).await), EngineErrorKind::PortTaken, "by a container");
        let thief = ContainerSpec { ports: vec![], ..spec("thief", 5) };
        e.create_container(&thief).await.unwrap();
        assert_eq!(kind(e.start_container(&thief.name).await), EngineErrorKind::AddressTaken);

        let published = PortBinding {
            host_address: [127, 0, 0, 1].into(),
            host_port: port,
            container_port: 6443,
            protocol: Protocol::Tcp,
        };
        let inspected = e.inspect_container(&one.name).await.unwrap().unwrap();
        let listed = e.list_containers(&b.label()).await.unwrap();
        let listed = listed.iter().find(|c| c.name == one.name).unwrap();
        assert_eq!(inspected.addresses, BTreeMap::from([(net.name.clone(), [10, 213, 77, 5].into())]));
        assert_eq!((&listed.addresses, &listed.ports), (&inspected.addresses, &inspected.ports));
        assert_eq!(inspected.ports, [published]);
        let (status, out, _) = b.exec(&one.name, &format!("busybox nslookup {} 127.0.0.11", b.name("alias5"))).await;
        assert!(status == 0 && out.contains("10.213.77.5"), "{out}");

        let networks = e.list_networks().await.unwrap();
        let network = networks.iter().find(|n| n.name == net.name).unwrap();
        assert_eq!(network.subnets, [ipnet::IpNet::from(net.subnet)]);
        assert_eq!((&network.labels, &network.containers), (&b.labels(), &vec![one.name.clone()]));
        assert_eq!(kind(e.remove_network(&net.name).await), EngineErrorKind::Conflict);
        for _ in 0..2 {
            e.disconnect_container(&one.name, &net.name).await.unwrap();
        }
        let inspected = e.inspect_container(&one.name).await.unwrap().unwrap();
        assert_eq!((inspected.state, inspected.addresses), (ContainerState::Running, BTreeMap::new()));
        e.remove_network(&net.name).await.unwrap();
        e.disconnect_container(&one.name, &net.name).await.unwrap();
        e.remove_container(&one.name).await.unwrap();
        e.disconnect_container(&one.name, &net.name).await.unwrap();
        e.remove_network(&net.name).await.unwrap();
    });
}

#[test]
fn rights_mounts_and_limits() {
    with_docker(|b| async move {
        let e = &b.engine;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "shared").unwrap();
        let mount = |source, target: &str, propagation: &str| MountSpec {
            source,
            target: target.to_owned(),
            read_only: false,
            propagation: propagation.to_owned(),
            selinux_relabel: false,
        };
        let host = |path: String| MountSource::Host(path);
        let volume = MountSource::Volume { name: b.name("vol"), labels: b.labels() };
        let spec = ContainerSpec {
            hostname: "dev-node".into(),
            capabilities: Some(vec!["NET_ADMIN".into(), "SYS_ADMIN".into()]),
            security_opt: vec!["seccomp=unconfined".into(), "apparmor=unconfined".into()],
            unmask_system_paths: true,
            private_cgroup_namespace: true,
            tmpfs: [("/run".to_owned(), "rw,exec,size=1m".to_owned())].into(),
            mounts: vec![
                mount(volume.clone(), "/bin2", ""),
                mount(host(folder.path().display().to_string()), "/host", "rprivate"),
            ],
            device_cgroup_rules: vec!["c 1:11 rmw".into()],
            nofile: Some(4096),
            restart: true,
            env: vec!["A=b".into()],
            ..b.spec("rights")
        };
        b.run(&spec).await;
        let script = "echo $A; busybox hostname; ulimit -n; busybox cat /host/f; echo; \
            busybox grep -c proc/kcore /proc/mounts; busybox grep CapBnd /proc/self/status; \
            busybox grep ' /run ' /proc/mounts; busybox grep -c 'proc proc ro' /proc/mounts; \
            busybox head -1 /proc/self/cgroup; busybox ls /bin2";
        let (_, out, _) = b.exec(&spec.name, script).await;
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[..5], ["b", "dev-node", "4096", "shared", "0"], "{out}");
        assert_eq!(lines[5].split_whitespace().nth(1), Some("0000000000201000"), "{out}");
        assert!(lines[6].contains("size=1024k") && lines[7] == "0" && lines[8].ends_with(":/"), "{out}");
        assert_eq!(lines.len(), 9, "the volume is empty: {out}");
        let [listed] = &e.list_volumes(&b.label()).await.unwrap()[..] else { panic!("one volume is there") };
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        assert!((now - 3600..=now + 60).contains(&listed.created), "made {} of {now}", listed.created);
        let expected = VolumeInfo { name: b.name("vol"), labels: b.labels(), created: listed.created };
        assert_eq!(*listed, expected);
        assert_eq!(kind(e.remove_volume(&b.name("vol")).await), EngineErrorKind::Conflict);
        e.create_volume(&b.name("vol"), &b.labels()).await.unwrap();
        e.create_volume(&b.name("vol2"), &b.labels()).await.unwrap();
        e.remove_volume(&b.name("vol2")).await.unwrap();
        e.remove_volume(&b.name("vol2")).await.unwrap();

        let inspected = e.client.inspect_container(&spec.name, None).await.unwrap().host_config.unwrap();
        assert_eq!(inspected.restart_policy.unwrap().name.unwrap().to_string(), "always");
        if e.json_logs.get() == Some(&true) {
            assert_eq!(inspected.log_config.unwrap().config.unwrap()["max-size"], "10m");
        }
        let missing = folder.path().join("none");
        let spec = ContainerSpec {
            mounts: vec![mount(host(missing.display().to_string()), "/host", "")],
            ..b.spec("missing")
        };
        let refused = match e.create_container(&spec).await {
            Ok(_) => e.start_container(&spec.name).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(refused.detail.contains("does not exist") && !missing.exists(), "{refused}");
    });
}
