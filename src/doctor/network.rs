//! Subnets, proxies and certificate authorities.

use super::facts::Facts;
use super::system::PackageManager;
use super::{Check, Finding};
use crate::host::{CaOrigin, Host, Proxies, choose_subnet, taken_subnets};

pub(super) const CHECKS: [Check; 3] = [
    Check {
        id: "subnets",
        title: "subnets",
        why: "a cluster's subnets must not shadow a LAN, a VPN or another network",
        fast: false,
        probe: subnets,
    },
    Check {
        id: "proxy",
        title: "proxy",
        why: "nodes pull images through it; a container's loopback is not the host's",
        fast: true,
        probe: proxy,
    },
    Check {
        id: "ca",
        title: "authorities",
        why: "nodes and image builds trust what this machine trusts, a company's own authority too",
        fast: false,
        probe: authorities,
    },
];

fn subnets(facts: &Facts) -> Finding {
    let needed = "a free /24 for the nodes, and nothing where pods and Services are";
    let routes = facts.docker_host().and_then(Host::routes);
    let known = routes.as_deref().unwrap_or_default();
    let outside = taken_subnets(known, &facts.networks, &[]);
    let clash = facts.demand.inside.iter().find_map(|(inner, whose)| {
        let (outer, who) = outside.iter().find(|(outer, _)| outer.contains(inner) || inner.contains(outer))?;
        Some(format!("{whose} {inner} overlaps {outer}, {who}"))
    });
    if let Some(clash) = clash {
        return Finding::warn(clash)
            .needed(needed)
            .fix("set `networking.podSubnet` or `networking.serviceSubnet` in the config file");
    }
    match choose_subnet(&taken_subnets(known, &facts.networks, &facts.demand.inside), None) {
        Ok(free) if routes.is_some() => Finding::ok(format!("{free} is free")),
        Ok(free) => Finding::unknown(format!("{free} is free in Docker; the routes of its host cannot be seen")),
        Err(e) => Finding::fail(format!("no candidate is free ({})", e.causes.join("; ")))
            .fix("name a free one with `networking.nodeSubnet` in the config file, or: docker network prune"),
    }
    .needed(needed)
}

fn proxy(facts: &Facts) -> Finding {
    let proxies = facts.proxies();
    let local = proxies.only_local();
    if let Some(url) = local.first() {
        let shown = Proxies { http: Some((*url).to_owned()), ..Proxies::default() }.shown();
        return Finding::warn(format!("{shown} listens only on this machine's loopback"))
            .needed("a proxy that containers can reach")
            .fix("let the proxy listen on an address of this machine, and name that in HTTP_PROXY and HTTPS_PROXY");
    }
    if proxies.any() { Finding::ok(proxies.shown()) } else { Finding::ok("none") }
}

fn authorities(facts: &Facts) -> Finding {
    let needed = "a bundle of certificate authorities";
    let Some(bundle) = facts.host.ca_bundle(&facts.env) else {
        let command = match PackageManager::detect(&facts.host) {
            Some(PackageManager::Dnf) => "sudo dnf install -y ca-certificates",
            Some(PackageManager::Pacman) => "sudo pacman -S ca-certificates",
            Some(PackageManager::Zypper) => "sudo zypper install ca-certificates",
            Some(PackageManager::Apk) => "sudo apk add ca-certificates",
            Some(PackageManager::Apt) | None => "sudo apt-get install -y ca-certificates",
        };
        return Finding::warn("none").needed(needed).fix(command);
    };
    let by = match bundle.origin {
        CaOrigin::Variable(name) => format!(", named by {name}"),
        CaOrigin::Distribution => String::new(),
    };
    match (bundle.certificates(), bundle.origin) {
        (0, CaOrigin::Variable(name)) => Finding::warn(format!("{}{by}, holds no certificates", bundle.path))
            .needed(needed)
            .fix(format!("let {name} name a PEM file, or unset it")),
        (0, CaOrigin::Distribution) => Finding::warn(format!("{} holds no certificates", bundle.path))
            .needed(needed)
            .fix("sudo update-ca-certificates"),
        (count, _) => Finding::ok(format!("{count} in {}{by}", bundle.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::facts::{healthy, healthy_probe, on};
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_vpn_over_the_pods_is_worth_a_warning() {
        let table = "Iface\ntun0\t0000000A\t0100080A\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n";
        let mut facts = on(healthy_probe().file("/proc/net/route", table));
        assert_eq!(subnets(&facts).found, "172.29.0.0/24 is free");
        facts.demand.inside = vec![("10.244.0.0/16".parse().expect("a network"), "the pod subnet".into())];
        let finding = subnets(&facts);
        assert_eq!(finding.status, Status::Warn);
        assert_eq!(finding.found, "the pod subnet 10.244.0.0/16 overlaps 10.0.0.0/8, the route to `tun0`");
    }

    #[test]
    fn without_routes_the_answer_is_half_known() {
        let mut facts = healthy();
        facts.engine.as_mut().expect("healthy").kernel = "6.10.14-linuxkit".into();
        assert_eq!(subnets(&facts).status, Status::Unknown);
    }

    #[test]
    fn a_proxy_on_loopback_is_named_without_its_password() {
        let mut facts = healthy();
        facts.env.insert("https_proxy".into(), "http://ana:secret@127.0.0.1:3128".into());
        let finding = proxy(&facts);
        assert_eq!(finding.found, "http://***@127.0.0.1:3128 listens only on this machine's loopback");
        facts.env.insert("https_proxy".into(), "http://proxy.corp:3128".into());
        assert_eq!(proxy(&facts), Finding::ok("http://proxy.corp:3128"));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let mut facts = healthy();
        assert_eq!(authorities(&facts).found, "142 in /etc/ssl/certs/ca-certificates.crt");
        facts.env.insert("SSL_CERT_FILE".into(), "/absent.pem".into());
        let finding = authorities(&facts);
        assert_eq!(finding.found, "/absent.pem, named by SSL_CERT_FILE, holds no certificates");
    }
}
