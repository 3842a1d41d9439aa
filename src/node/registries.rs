//! How a node's containerd reaches registries: a `hosts.toml` for each that the config names.
//!
//! containerd reads them at each pull, so nothing restarts when they change. It asks the hosts of a file in their order,
//! and then the registry itself; the file of `_default` holds for every registry that has none.
//! Source: containerd 2.3, `docs/hosts.md` and `core/remotes/docker/config/hosts.go`.

use super::files::FileSpec;
use super::paths::REGISTRY_HOSTS;
use crate::plan::layout::Layout;
use crate::spec::registries::{Mirror, Registry, RegistryHost};

/// The files, each behind its folder. A registry that an earlier config named keeps its file, which says what is said of
/// all others: Docker puts files into a node and takes none out.
pub(super) fn registry_files(layout: &Layout) -> Vec<FileSpec> {
    let named = &layout.spec.registries;
    let others = named.iter().find(|(host, _)| host.is_others()).map(|(_, others)| others.clone()).unwrap_or_default();
    let former = layout.former_registries.iter().filter(|host| !named.contains_key(*host));
    let all = named.iter().chain(former.map(|host| (host, &others)));
    all.flat_map(|(host, registry)| {
        let folder = format!("{REGISTRY_HOSTS}/{}", if host.is_others() { "_default" } else { host.as_str() });
        let file = FileSpec::text(&format!("{folder}/hosts.toml"), hosts(host, registry));
        [FileSpec::folder(&folder, 0o755), file]
    })
    .collect()
}

/// One `hosts.toml`. Neither hosts nor URLs can hold what TOML would take for more than text, and no URL comes twice.
fn hosts(host: &RegistryHost, registry: &Registry) -> String {
    // Told to verify nothing, containerd would try TLS where plain HTTP is asked for.
    let verify = |plain: bool| if registry.skip_verify && !plain { "skip_verify = true\n" } else { "" };
    let mirror = |mirror: &Mirror| {
        let verify = verify(mirror.is_plain());
        let whole = if mirror.is_below_root() { "override_path = true\n" } else { "" };
        format!("\n[host.\"{mirror}\"]\ncapabilities = [\"pull\", \"resolve\"]\n{whole}{verify}")
    };
    let mirrors: String = registry.mirrors.iter().map(mirror).collect();
    format!("# {host}: from `registries` of the cluster's config\n{}{mirrors}", verify(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::files::Content;
    use crate::node::fixture::layout;

    fn parsed(host: &str, mirrors: &[&str], skip_verify: bool) -> (RegistryHost, Registry) {
        let mirrors = mirrors.iter().map(|mirror| Mirror::parse(mirror).expect("a URL")).collect();
        (RegistryHost::parse(host).expect("a host"), Registry { mirrors, skip_verify })
    }

    fn shown(layout: &Layout) -> String {
        let show = |file: FileSpec| match file.content {
            Content::Text(text) => format!("== {}\n{text}", file.path),
            _ => String::new(),
        };
        registry_files(layout).into_iter().map(show).collect()
    }

    #[test]
    fn each_has_its_file() {
        let mut dev = layout(1, 0);
        assert_eq!(shown(&dev), "");
        dev.spec.registries = [
            parsed("*", &["http://cache:5000"], false),
            parsed("docker.io", &["https://a.example.com/hub", "http://b:5000"], true),
            parsed("own.example.com:5000", &[], true),
            parsed("team.example.com", &["https://harbor.example.com/v2/hub", "https://a.example.com/v2"], false),
        ]
        .into();
        insta::assert_snapshot!(shown(&dev), @r#"
        == /etc/containerd/certs.d/_default/hosts.toml
        # *: from `registries` of the cluster's config

        [host."http://cache:5000"]
        capabilities = ["pull", "resolve"]
        == /etc/containerd/certs.d/docker.io/hosts.toml
        # docker.io: from `registries` of the cluster's config
        skip_verify = true

        [host."https://a.example.com/hub"]
        capabilities = ["pull", "resolve"]
        skip_verify = true

        [host."http://b:5000"]
        capabilities = ["pull", "resolve"]
        == /etc/containerd/certs.d/own.example.com:5000/hosts.toml
        # own.example.com:5000: from `registries` of the cluster's config
        skip_verify = true
        == /etc/containerd/certs.d/team.example.com/hosts.toml
        # team.example.com: from `registries` of the cluster's config

        [host."https://harbor.example.com/v2/hub"]
        capabilities = ["pull", "resolve"]
        override_path = true

        [host."https://a.example.com/v2"]
        capabilities = ["pull", "resolve"]
        "#);
    }

    #[test]
    fn what_is_named_no_longer_is_one_of_the_others() {
        let mut dev = layout(1, 0);
        dev.spec.registries = [parsed("*", &["http://cache:5000"], false), parsed("docker.io", &[], true)].into();
        let others = [parsed("*", &["http://other:5000"], false)].into();
        insta::assert_snapshot!(shown(&dev.reaching(&others)), @r#"
        == /etc/containerd/certs.d/_default/hosts.toml
        # *: from `registries` of the cluster's config

        [host."http://other:5000"]
        capabilities = ["pull", "resolve"]
        == /etc/containerd/certs.d/docker.io/hosts.toml
        # docker.io: from `registries` of the cluster's config

        [host."http://other:5000"]
        capabilities = ["pull", "resolve"]
        "#);
        let nothing = dev.reaching(&others).reaching(&[].into());
        insta::assert_snapshot!(shown(&nothing), @r"
        == /etc/containerd/certs.d/_default/hosts.toml
        # *: from `registries` of the cluster's config
        == /etc/containerd/certs.d/docker.io/hosts.toml
        # docker.io: from `registries` of the cluster's config
        ");
        assert_eq!(nothing.reaching(&dev.spec.registries).former_registries.len(), 0);
    }
}
