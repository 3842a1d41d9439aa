//! Every certificate read back by an independent parser, and used in real handshakes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use time::macros::datetime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};

use super::*;
use crate::node::fixture::layout;

const NOW: OffsetDateTime = datetime!(2026-11-23 20:20:20.5 UTC);

fn pki() -> (Layout, Pki) {
    let layout = layout(3, 2);
    let pki = Pki::issue(&layout, NOW).expect("issues");
    (layout, pki)
}

fn with_parsed<T>(pair: &CertifiedKey, read: impl FnOnce(&X509Certificate) -> T) -> T {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate().as_bytes()).expect("PEM");
    assert_eq!(pem.label, "CERTIFICATE");
    read(&pem.parse_x509().expect("X.509"))
}

/// CN, O, EKU and names, as the table of the module has them.
fn says(pair: &CertifiedKey) -> String {
    with_parsed(pair, |cert| {
        let text = |mut values: Vec<&str>| {
            values.sort_unstable();
            values.join(",")
        };
        let subject = cert.subject();
        let cn = subject.iter_common_name().map(|a| a.as_str().expect("text")).collect();
        let organization = subject.iter_organization().map(|a| a.as_str().expect("text")).collect();
        let usage = match cert.extended_key_usage().expect("parses") {
            None => "none",
            Some(usage) => {
                let usage = usage.value;
                assert!(usage.other.is_empty() && !usage.any && !usage.code_signing);
                match (usage.server_auth, usage.client_auth) {
                    (true, true) => "server+client",
                    (true, false) => "server",
                    (false, true) => "client",
                    (false, false) => "none",
                }
            }
        };
        let names = cert.subject_alternative_name().expect("parses").map_or_else(Vec::new, |san| {
            san.value
                .general_names
                .iter()
                .map(|name| match name {
                    GeneralName::DNSName(name) => (*name).to_string(),
                    GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
                        Ok(v4) => IpAddr::from(v4).to_string(),
                        Err(_) => IpAddr::from(<[u8; 16]>::try_from(*bytes).expect("16 bytes")).to_string(),
                    },
                    other => panic!("unexpected name {other:?}"),
                })
                .collect()
        });
        format!("CN={} O={} {usage} [{}]", text(cn), text(organization), names.join(" "))
    })
}

#[test]
fn every_certificate_says_what_the_table_says() {
    let (_, pki) = pki();
    let mut lines: Vec<String> = Authority::ALL
        .iter()
        .map(|authority| format!("{authority:?}: {}", says(pki.roots().authority(*authority))))
        .collect();
    for (leaf, node, pair) in pki.leaves() {
        if ["dev-control-plane", "dev-worker2"].contains(&node.as_str()) {
            lines.push(format!("{leaf:?} of {node}: {}", says(pair)));
        }
    }
    lines.push(format!("super-admin: {}", says(&pki.super_admin)));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn leaves_are_leaves_of_the_right_authority() {
    let (layout, pki) = pki();
    let mut seen = 0;
    for (leaf, node, pair) in pki.leaves() {
        seen += 1;
        let node = layout.nodes.iter().find(|n| n.spec.name == *node).expect("a node");
        let authority = leaf_profile(leaf, &layout, node).expect("a profile").authority;
        assert_leaf(&pki, pair, authority, NOW + Duration::days(365));
    }
    assert_eq!(seen, 3 * 15 + 2 * 3);
    assert_leaf(&pki, &pki.super_admin, Authority::Cluster, NOW + Duration::hours(1));
}

fn assert_leaf(pki: &Pki, pair: &CertifiedKey, authority: Authority, until: OffsetDateTime) {
    with_parsed(pair, |cert| {
        for other in Authority::ALL {
            with_parsed(pki.roots().authority(other), |ca| {
                let verified = cert.verify_signature(Some(ca.public_key())).is_ok();
                assert_eq!(verified, other == authority, "{} below {other:?}", cert.subject());
                if other == authority {
                    assert_eq!(cert.issuer().as_raw(), ca.subject().as_raw());
                    let key_id = ca.iter_extensions().find_map(|e| match e.parsed_extension() {
                        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                        _ => None,
                    });
                    let wanted = cert.iter_extensions().find_map(|e| match e.parsed_extension() {
                        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|k| k.0.to_vec()),
                        _ => None,
                    });
                    assert!(wanted.is_some() && wanted == key_id);
                }
            });
        }
        let constraints = cert.basic_constraints().expect("parses").expect("is there");
        assert!(!constraints.value.ca);
        assert_eq!(cert.key_usage().expect("parses").expect("is there").value.flags, 1, "digitalSignature only");
        assert_common(cert, until);
    });
}

fn assert_common(cert: &X509Certificate, until: OffsetDateTime) {
    let whole = |t: OffsetDateTime| t.unix_timestamp();
    assert_eq!(cert.validity().not_before.timestamp(), whole(NOW - Duration::minutes(5)));
    assert_eq!(cert.validity().not_after.timestamp(), whole(until));
    let serial = cert.raw_serial();
    assert!(serial.len() == 16 && serial[0] & 0x80 == 0, "16 positive bytes, got {serial:?}");
    let algorithm = &cert.public_key().algorithm;
    assert_eq!(algorithm.algorithm, OID_KEY_TYPE_EC_PUBLIC_KEY);
    let curve = algorithm.parameters.as_ref().expect("a curve").as_oid().expect("an OID");
    assert_eq!(curve, OID_EC_P256);
    for name in cert.subject().iter_common_name() {
        assert!(name.as_str().expect("text").len() <= 64);
    }
}

#[test]
fn authorities_sign_themselves_and_nothing_deeper() {
    let (_, pki) = pki();
    for authority in Authority::ALL {
        with_parsed(pki.roots().authority(authority), |ca| {
            assert!(ca.verify_signature(None).is_ok());
            let constraints = ca.basic_constraints().expect("parses").expect("is there");
            assert!(constraints.critical && constraints.value.ca);
            assert_eq!(constraints.value.path_len_constraint, Some(0));
            let usage = ca.key_usage().expect("parses").expect("is there").value;
            assert!(usage.digital_signature() && usage.key_cert_sign() && usage.crl_sign());
            assert_eq!(usage.flags.count_ones(), 3);
            assert_common(ca, NOW + Duration::days(3650));
        });
    }
}

#[test]
fn no_serial_and_no_key_exists_twice() {
    let (_, pki) = pki();
    let mut serials = BTreeSet::new();
    let mut keys = BTreeSet::new();
    let pairs = Authority::ALL
        .iter()
        .map(|a| pki.roots().authority(*a))
        .chain(pki.leaves().map(|(_, _, pair)| pair))
        .chain([&pki.super_admin]);
    for pair in pairs {
        assert!(serials.insert(with_parsed(pair, |cert| cert.raw_serial().to_vec())));
        assert!(keys.insert(pair.key().expose().to_owned()));
        assert!(pair.key().expose().starts_with("-----BEGIN PRIVATE KEY-----"));
        let again = CertifiedKey::from_pem(pair.certificate().into(), pair.key().clone());
        assert!(again.is_ok(), "the key belongs to the certificate");
    }
    let (_, other) = self::pki();
    assert_ne!(other.cluster_ca(), pki.cluster_ca(), "authorities are never shared between clusters");
}

#[test]
fn a_foreign_key_is_refused() {
    let (_, pki) = pki();
    let refused = CertifiedKey::from_pem(pki.cluster_ca().into(), pki.super_admin.key().clone());
    assert!(refused.is_err());
}

#[test]
fn renewal_keeps_the_roots_and_never_outlives_them() {
    let (layout, first) = pki();
    let ca = |which| {
        let old = first.roots().authority(which);
        CertifiedKey::from_pem(old.certificate().into(), old.key().clone()).expect("loads")
    };
    let roots = Roots::from_pem(
        ca(Authority::Cluster),
        ca(Authority::Etcd),
        ca(Authority::FrontProxy),
        first.roots().service_account_key().clone(),
        EncryptionKey::from_base64(&first.roots().encryption_key().expose_base64()).expect("32 bytes"),
    )
    .expect("loads");
    let late = NOW + Duration::days(3600);
    let second = Pki::reissue(roots, &layout, late).expect("issues");
    assert_eq!(second.cluster_ca(), first.cluster_ca());
    assert_eq!(second.roots().service_account_public_key(), first.roots().service_account_public_key());
    assert_eq!(second.roots().encryption_key(), first.roots().encryption_key());
    for ((_, _, old), (_, _, new)) in first.leaves().zip(second.leaves()) {
        assert_ne!(old.key(), new.key());
        let end = with_parsed(new, |cert| cert.validity().not_after.timestamp());
        assert_eq!(end, (NOW + Duration::days(3650)).unix_timestamp(), "ends with its authority");
    }
}

#[test]
fn the_api_server_is_called_by_all_its_names() {
    let mut layout = layout(1, 0);
    layout.api = "192.168.1.5:6443".parse().expect("an address");
    layout.spec.networking.extra_sans = vec!["knarr.example.com".into(), "10.1.2.3".into(), "localhost".into()];
    let names = |layout: &Layout| {
        let pki = Pki::issue(layout, NOW).expect("issues");
        let cert = Cert::Leaf(Leaf::ApiServer, layout.first_control_plane().spec.name.clone());
        says(pki.pair(&cert).expect("is there"))
    };
    insta::assert_snapshot!(
        names(&layout),
        @"CN=kube-apiserver O= server [dev-control-plane dev-balancer kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local localhost knarr.example.com 10.89.0.2 10.89.0.63 10.96.0.1 127.0.0.1 ::1 192.168.1.5 10.1.2.3]"
    );
    layout.api = "0.0.0.0:6443".parse().expect("an address");
    assert!(!names(&layout).contains(" 0.0.0.0"));
    layout.spec.networking.extra_sans = vec!["bücher.example".into()];
    let error = Pki::issue(&layout, NOW).expect_err("not ASCII");
    assert_eq!(error.kind, ErrorKind::Config);
}

#[test]
fn nothing_secret_is_printed() {
    let (_, pki) = pki();
    let printed = format!("{pki:?} {:?}", pki.roots());
    assert!(!printed.contains("PRIVATE KEY"));
    assert!(!printed.contains(pki.roots().encryption_key().expose_base64().as_str()));
    for (_, _, pair) in pki.leaves() {
        let key = pair.key().expose();
        let line = key.lines().nth(1).expect("a line");
        assert!(!printed.contains(line));
    }
}

/// Handshakes by rustls, which shares no code with rcgen's encoder.
mod handshake {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    fn roots(pki: &Pki, authority: Authority) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(der(pki.roots().authority(authority))).expect("an authority");
        store
    }

    fn der(pair: &CertifiedKey) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pair.certificate().as_bytes()).expect("PEM")
    }

    fn key(pair: &CertifiedKey) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(pair.key().expose().as_bytes()).expect("PEM")
    }

    /// Both sides trust `authority`; whether they agree. Time is the machine's, so the certificates are new.
    fn agree(pki: &Pki, authority: Authority, server: &CertifiedKey, name: &str, client: &CertifiedKey) -> bool {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pki, authority)), Arc::clone(&provider))
                .build()
                .expect("a verifier");
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![der(server)], key(server))
            .expect("a server");
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("versions")
            .with_root_certificates(roots(pki, authority))
            .with_client_auth_cert(vec![der(client)], key(client))
            .expect("a client");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = ClientConnection::new(Arc::new(client), name).expect("a connection");
        let mut server = ServerConnection::new(Arc::new(server)).expect("a connection");
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("writes");
            server.read_tls(&mut wire.as_slice()).expect("reads");
            if server.process_new_packets().is_err() {
                return false;
            }
            wire.clear();
            server.write_tls(&mut wire).expect("writes");
            client.read_tls(&mut wire.as_slice()).expect("reads");
            if client.process_new_packets().is_err() {
                return false;
            }
        }
        true
    }

    #[test]
    fn only_the_right_ones_agree() {
        let layout = layout(1, 1);
        let pki = Pki::issue(&layout, OffsetDateTime::now_utc()).expect("issues");
        let node = NodeName::parse("dev-control-plane").expect("a name");
        let worker = NodeName::parse("dev-worker").expect("a name");
        let leaf = |leaf| pki.pair(&Cert::Leaf(leaf, node.clone())).expect("is there");
        let kubelet = pki.pair(&Cert::Leaf(Leaf::KubeletServer, worker)).expect("is there");
        let cluster = |server: &CertifiedKey, name: &str, client: &CertifiedKey| {
            agree(&pki, Authority::Cluster, server, name, client)
        };
        let (api, etcd) = (leaf(Leaf::ApiServer), leaf(Leaf::EtcdServer));
        let clients = [
            leaf(Leaf::Scheduler),
            leaf(Leaf::ControllerManager),
            leaf(Leaf::KubeProxy),
            leaf(Leaf::KubeletClient),
            leaf(Leaf::Admin),
            &pki.super_admin,
        ];
        for client in clients {
            assert!(cluster(api, "127.0.0.1", client));
        }
        for name in ["::1", "10.89.0.2", "10.96.0.1", "dev-control-plane", "kubernetes.default.svc.cluster.local"] {
            assert!(cluster(api, name, leaf(Leaf::Scheduler)), "{name}");
        }
        assert!(cluster(kubelet, "10.89.0.3", leaf(Leaf::ApiServerKubeletClient)));
        assert!(cluster(leaf(Leaf::SchedulerServer), "127.0.0.1", leaf(Leaf::Admin)));
        assert!(cluster(leaf(Leaf::ControllerManagerServer), "127.0.0.1", leaf(Leaf::Admin)));
        assert!(agree(&pki, Authority::Etcd, etcd, "127.0.0.1", leaf(Leaf::ApiServerEtcdClient)));
        assert!(agree(&pki, Authority::Etcd, etcd, "127.0.0.1", leaf(Leaf::EtcdHealthcheckClient)));
        let peer = leaf(Leaf::EtcdPeer);
        assert!(agree(&pki, Authority::Etcd, peer, "dev-control-plane", peer), "peers are client and server");

        assert!(!cluster(api, "example.com", leaf(Leaf::Scheduler)), "a foreign name");
        assert!(!cluster(api, "127.0.0.1", leaf(Leaf::ApiServerEtcdClient)), "a client of another authority");
        assert!(!cluster(api, "127.0.0.1", leaf(Leaf::FrontProxyClient)), "a client of another authority");
        assert!(!cluster(etcd, "127.0.0.1", leaf(Leaf::Scheduler)), "a server of another authority");
        assert!(!cluster(leaf(Leaf::Scheduler), "127.0.0.1", leaf(Leaf::Admin)), "a client as server");
        assert!(!cluster(api, "127.0.0.1", api), "a server as client");
        assert!(!cluster(kubelet, "10.89.0.2", leaf(Leaf::ApiServerKubeletClient)), "another node's address");
    }
}
