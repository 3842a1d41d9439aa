//! What the kernel must be able to do.

use super::facts::Facts;
use super::{Check, Finding, Fix};
use crate::host::{Feature, Presence};

pub(super) const CHECKS: [Check; 2] = [
    Check {
        id: "kernel",
        title: "kernel features",
        why: "nodes mount overlays, connect pods by veth pairs and route Services with nftables",
        fast: true,
        probe: features,
    },
    Check {
        id: "br-netfilter",
        title: "br_netfilter",
        why: "kube-proxy sees traffic between containers of one bridge only with it",
        fast: false,
        probe: br_netfilter,
    },
];

/// The features that the kernel loads by itself, so that «can be loaded» is as good as «is there».
fn features(facts: &Facts) -> Finding {
    let names = |list: &[Feature]| list.iter().map(|feature| feature.module).collect::<Vec<_>>().join(", ");
    let needed = names(&Feature::NEEDED);
    let Some(host) = facts.docker_host() else {
        return Finding::unknown(facts.elsewhere()).needed(needed);
    };
    let presences = host.features(&Feature::NEEDED);
    let absent: Vec<Feature> = Feature::NEEDED
        .iter()
        .zip(&presences)
        .filter(|(_, presence)| **presence == Some(Presence::Absent))
        .map(|(feature, _)| *feature)
        .collect();
    if !absent.is_empty() {
        let options: Vec<String> = absent.iter().map(|feature| format!("CONFIG_{}", feature.option)).collect();
        return Finding::fail(format!("without {}", names(&absent))).needed(needed).fix(format!(
            "install the kernel's extra modules (Ubuntu: linux-modules-extra-$(uname -r)), or a kernel with {}",
            options.join(", ")
        ));
    }
    if presences.contains(&None) {
        return Finding::unknown("neither the kernel's modules nor its configuration can be read").needed(needed);
    }
    let release = host.kernel_release().unwrap_or_default();
    Finding::ok(format!("{release} with {needed}")).needed(needed)
}

fn br_netfilter(facts: &Facts) -> Finding {
    let feature = Feature::BR_NETFILTER;
    let Some(host) = facts.docker_host() else {
        return Finding::unknown(facts.elsewhere());
    };
    match host.features(&[feature])[0] {
        Some(Presence::Ready) => Finding::ok("loaded"),
        Some(Presence::Loadable) => Finding::warn("not loaded").needed("loaded").safe(Fix::LoadModule(feature.module)),
        Some(Presence::Absent) => Finding::warn("this kernel does not have it")
            .needed("loaded")
            .fix(format!("use a kernel with CONFIG_{}", feature.option)),
        None => Finding::unknown("neither the kernel's modules nor its configuration can be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::facts::{healthy_probe, on};
    use super::*;

    #[test]
    fn a_module_that_nobody_loads_is_loaded_by_the_fix() {
        let probe = healthy_probe()
            .without("/proc/sys/net/bridge/bridge-nf-call-iptables")
            .file("/lib/modules/6.12.1-amd64/modules.builtin", "")
            .file("/lib/modules/6.12.1-amd64/modules.dep", "kernel/net/bridge/br_netfilter.ko:\n");
        let finding = br_netfilter(&on(probe));
        assert_eq!((finding.status, finding.safe_fix), (Status::Warn, Some(Fix::LoadModule("br_netfilter"))));
    }

    #[test]
    fn a_missing_feature_fails_and_an_unreadable_one_does_not() {
        let bare = healthy_probe().without("/sys/module/nf_tables/refcnt");
        assert_eq!(features(&on(bare.clone())).status, Status::Unknown);
        let told = bare.file("/boot/config-6.12.1-amd64", "CONFIG_VETH=y\n");
        let finding = features(&on(told));
        assert_eq!((finding.status, finding.found.as_str()), (Status::Fail, "without nf_tables"));
    }
}
