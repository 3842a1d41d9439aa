//! How nodes reach container registries: which mirrors they ask instead, and whether they insist on good certificates.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::values::{Refused, host_and_port, names_registry, registry_host_fits, text_value};

text_value! {
    /// A registry as image names have it, such as `docker.io` or `registry.example.com:5000`; `*` is every one that is
    /// not named.
    RegistryHost
}
text_value! {
    /// Where a registry is asked: `http://` or `https://`, a host, maybe a port and a path; no slash at its end. It holds
    /// only what every reader of URLs and of TOML takes as it is written.
    Mirror
}

/// The registries that are not reached as their names say.
pub type Registries = BTreeMap<RegistryHost, Registry>;

/// How one registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Where to ask, in this order, before the registry itself is asked.
    pub mirrors: Vec<Mirror>,
    /// Whether any certificate will do, of the mirrors and of the registry.
    pub skip_verify: bool,
}

impl fmt::Display for Registry {
    /// `http://mirror:5000, https://other, any certificate`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = self.skip_verify.then_some("any certificate");
        let parts: Vec<&str> = self.mirrors.iter().map(Mirror::as_str).chain(any).collect();
        f.write_str(&parts.join(", "))
    }
}

impl RegistryHost {
    /// What stands for every registry that is not named.
    pub const OTHERS: &str = "*";

    /// Parses a host.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if matches!(text, "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com") {
            return Err(Refused(format!("`{text}` is called `docker.io` in the names of images")));
        }
        let fits = registry_host_fits(text);
        if text == Self::OTHERS || fits && names_registry(text) {
            return Ok(Self(text.into()));
        }
        if fits {
            return Err(Refused(format!(
                "`{text}` names no registry, for it is not `localhost` and has no dot and no port: the image `{text}/app` is one of `docker.io`"
            )));
        }
        Err(Refused(format!(
            "`{text}` is not a registry as image names have it, for example `docker.io` or `registry.example.com:5000`; `*` is every other"
        )))
    }

    /// Whether it stands for every registry that is not named.
    pub fn is_others(&self) -> bool {
        self.0 == Self::OTHERS
    }
}

impl Mirror {
    /// Parses a URL.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |why: &str| Refused(format!("`{text}` {why}, for example `http://registry:5000`"));
        let Some(("http" | "https", rest)) = text.split_once("://") else {
            return Err(refused("must begin with `http://` or `https://`"));
        };
        if rest.contains('@') {
            return Err(Refused(
                "a URL with a password is kept nowhere; leave it out, and use `imagePullSecrets` of Pods".into(),
            ));
        }
        if rest.contains(['?', '#']) {
            return Err(refused("must end with its path"));
        }
        let kept = Self(text.strip_suffix('/').unwrap_or(text).into());
        let (authority, path) = kept.authority_and_path();
        // A container's name may have `_`, which the registry in an image's name may not.
        if authority.contains(|c: char| c.is_ascii_uppercase()) || !registry_host_fits(&authority.replace('_', "-")) {
            return Err(refused("must have a host in lower case, and a port from 1 to 65535 if any"));
        }
        if !path.split('/').skip(1).all(is_kept_in_path) {
            return Err(refused("must have a path of letters, digits and `-._~` between single slashes, without `..`"));
        }
        Ok(kept)
    }

    fn authority_and_path(&self) -> (&str, &str) {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        rest.split_at(rest.find('/').unwrap_or(rest.len()))
    }

    /// Its host, without a port.
    pub fn host(&self) -> &str {
        host_and_port(self.authority_and_path().0).0
    }

    /// Whether it is asked without TLS.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Whether its path begins with the API's own root, which containerd expects at a path's end and adds there.
    pub fn is_below_root(&self) -> bool {
        self.authority_and_path().1.starts_with("/v2/")
    }

    /// Whether it leads a node to itself: what listens on the host is not there.
    pub fn is_loopback(&self) -> bool {
        let address = self.host().trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        self.host() == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// Whether containerd asks for this part of a path as it is written: it decodes `%xx` and encodes nothing again, and takes
/// `.`, `..` and empty parts away.
fn is_kept_in_path(part: &str) -> bool {
    let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    !matches!(part, "" | "." | "..") && part.bytes().all(is_unreserved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::reference::full_name;
    use crate::spec::values::ImageRef;

    #[test]
    fn hosts() {
        let fine = ["*", "docker.io", "registry.example.com:5000", "localhost", "localhost:5001", "10.0.0.1:80"];
        for fine in fine.into_iter().chain(["registry:5000", "[fd00::5]:5000", "[::1]"]) {
            assert_eq!(RegistryHost::parse(fine).expect("fine").as_str(), fine);
        }
        let wrong = ["", "https://docker.io", "docker.io/library", "*.io", "a_b", "a:0", "a:b", "../x", "_default"];
        for wrong in
            wrong.into_iter().chain(["localhost:+5001", "a:", ":5000", "a:5000:1", "fd00::5", "[fd00:5]:1", "[::1"])
        {
            assert!(RegistryHost::parse(wrong).expect_err(wrong).0.contains("is not a registry"), "{wrong}");
        }
        // Docker reads `registry/app` as `docker.io/registry/app`: such an entry would never be looked at.
        for bare in ["registry", "5000", "my-registry"] {
            assert!(RegistryHost::parse(bare).expect_err(bare).0.contains("is one of `docker.io`"), "{bare}");
            assert_eq!(full_name(&format!("{bare}/app")), format!("docker.io/{bare}/app:latest"));
        }
        let hub = RegistryHost::parse("registry-1.docker.io").expect_err("another name").0;
        assert!(hub.contains("is called `docker.io`"), "{hub}");
    }

    #[test]
    fn mirrors() {
        for (text, kept) in [
            ("http://registry:5000", "http://registry:5000"),
            ("https://mirror.example.com/", "https://mirror.example.com"),
            ("https://mirror.example.com/hub/v2/", "https://mirror.example.com/hub/v2"),
            ("https://[fd00::5]:443/Team_1/~a.b", "https://[fd00::5]:443/Team_1/~a.b"),
            ("http://app_registry_1:80", "http://app_registry_1:80"),
        ] {
            assert_eq!(Mirror::parse(text).expect("fine").as_str(), kept);
        }
        let wrong = [
            ("", "must begin with"),
            ("registry:5000", "must begin with"),
            ("ftp://registry", "must begin with"),
            ("/v2", "must begin with"),
            ("HTTP://a:1", "must begin with"),
            ("http://u:p@registry", "imagePullSecrets"),
            ("http://registry/?a=b", "end with its path"),
            ("http://registry/#a", "end with its path"),
            ("http://", "a host"),
            ("http:///a", "a host"),
            ("http://a b", "a host"),
            ("http://Registry", "a host in lower case"),
            ("http://a:abc", "a port"),
            ("http://registry:99999", "a port"),
            ("http://registry:+80", "a port"),
            ("http://registry:", "a port"),
            ("http://:5000", "a host"),
            ("http://fd00::5", "a host"),
            ("https://a/\"x", "a path"),
            ("https://a/x]", "a path"),
            ("https://m/%zz", "a path"),
            ("https://m/a%20b", "a path"),
            ("https://m/a/../b", "without `..`"),
            ("https://m/./b", "a path"),
            ("https://m/a//b", "single slashes"),
            ("https://m//", "single slashes"),
        ];
        for (text, part) in wrong {
            let refused = Mirror::parse(text).expect_err(text).0;
            assert!(refused.contains(part), "{refused}");
        }
        let is_loopback = |text: &str| Mirror::parse(text).expect("a URL").is_loopback();
        assert!(["http://localhost:5000", "http://127.0.0.1:5000", "https://[::1]"].into_iter().all(is_loopback));
        assert!(!["http://registry:5000", "http://10.0.0.1"].into_iter().any(is_loopback));
        let host = |text: &str| Mirror::parse(text).expect("a URL").host().to_owned();
        assert_eq!([host("http://a:1/b"), host("https://[fd00::5]:1"), host("http://a")], ["a", "[fd00::5]", "a"]);
    }

    /// Texts that are URLs, nearly, or no longer after something was put in.
    fn near_urls() -> impl Strategy<Value = String> {
        let scheme = prop_oneof![4 => "https?://", 1 => "[a-zA-Z]{0,5}:?/{0,3}"];
        let host =
            prop_oneof![4 => "[a-z0-9._-]{1,9}", 1 => "[a-zA-Z0-9]{1,4}", 1 => r"\[[0-9a-f:]{2,9}\]", 1 => "\\PC{0,4}"];
        let port = prop_oneof![2 => "", 3 => ":[0-9]{1,5}", 1 => ":[+-]?[0-9a-z]{0,6}"];
        let path = prop_oneof![2 => "", 3 => "(/[A-Za-z0-9._~-]{1,4}){1,3}/?", 1 => "/[a%0-9./\"'\\\\\\[\\]?#@ ]{0,8}"];
        let odd = prop_oneof![
            proptest::char::any(),
            proptest::sample::select("\"'\\%#?@[]:/. \n\0A".chars().collect::<Vec<_>>())
        ];
        let put_in = proptest::option::of((any::<proptest::sample::Index>(), odd));
        (scheme, host, port, path, put_in).prop_map(|(scheme, host, port, path, put_in)| {
            let mut text: Vec<char> = [scheme, host, port, path].concat().chars().collect();
            if let Some((at, odd)) = put_in {
                text.insert(at.index(text.len() + 1), odd);
            }
            text.into_iter().collect()
        })
    }

    proptest! {
        #[test]
        fn a_mirror_that_is_taken_means_what_is_written(text in near_urls()) {
            let Ok(mirror) = Mirror::parse(&text) else { return Ok(()) };
            let kept = mirror.as_str();
            prop_assert!(text == kept || text == format!("{kept}/"), "{text:?}");
            // What stands between the quotes of a TOML key.
            prop_assert!(kept.chars().all(|c| c.is_ascii_graphic() && !"\"\\%".contains(c)), "{text:?}");
            // Another reader of URLs finds the same in it.
            let url: http::Uri = kept.parse().expect("a URL");
            let port = url.port().map(|port| format!(":{}", port.as_str())).unwrap_or_default();
            let path = if kept.matches('/').count() > 2 { url.path() } else { "" };
            let read = format!("{}://{}{port}{path}", url.scheme_str().expect("a scheme"), url.host().expect("a host"));
            prop_assert_eq!(&read, kept);
            prop_assert!(port.is_empty() || url.port_u16().is_some_and(|port| port > 0), "{text:?}");
            prop_assert!(url.path().split('/').all(|part| part != ".."), "{text:?}");
        }

        #[test]
        fn a_plain_url_is_taken(text in "https?://[a-z0-9]{1,9}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9_~-]{1,5}){0,3}") {
            prop_assert_eq!(Mirror::parse(&text).map(String::from), Ok(text));
        }

        #[test]
        fn a_host_that_is_taken_is_the_registry_of_images(text in prop_oneof![
            "[a-zA-Z0-9.-]{1,9}(:[0-9]{1,5})?",
            r"\[[0-9a-f:]{2,9}\](:[0-9]{1,5})?",
            r#"[a-z0-9.:\[\]"\\/\n+]{0,9}"#,
            any::<String>(),
        ]) {
            let Ok(host) = RegistryHost::parse(&text) else { return Ok(()) };
            prop_assert_eq!(host.as_str(), &text);
            prop_assert!(!text.contains(['"', '\\', '/']) && text.chars().all(|c| c.is_ascii_graphic()), "{text:?}");
            if !host.is_others() {
                let image = format!("{text}/app");
                prop_assert!(ImageRef::parse(&image).is_ok(), "{text:?}");
                prop_assert_eq!(full_name(&image), format!("{image}:latest"));
            }
        }
    }
}
