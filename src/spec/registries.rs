//! How nodes reach container registries: which mirrors they ask instead, and whether they insist on good certificates.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::values::{Refused, registry_host_fits, text_value};

text_value! {
    /// A registry as image names have it, such as `docker.io` or `registry.example.com:5000`; `*` is every one that is
    /// not named.
    RegistryHost
}
text_value! {
    /// Where a registry is asked: `http://` or `https://`, a host, maybe a port and a path; no slash at its end.
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
        if text == Self::OTHERS || registry_host_fits(text) {
            return Ok(Self(text.into()));
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
        let url: http::Uri = text.parse().map_err(|_| refused("is not a URL"))?;
        let Some(authority) = url.authority().filter(|_| matches!(url.scheme_str(), Some("http" | "https"))) else {
            return Err(refused("must begin with `http://` or `https://`"));
        };
        if authority.as_str().contains('@') {
            return Err(Refused(
                "a URL with a password is kept nowhere; leave it out, and use `imagePullSecrets` of Pods".into(),
            ));
        }
        if url.query().is_some() || text.contains('#') {
            return Err(refused("must end with its path"));
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }

    /// Whether it is asked without TLS.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Whether it leads a node to itself: what listens on the host is not there.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_owned)).unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts() {
        for fine in ["*", "docker.io", "registry.example.com:5000", "localhost:5001", "10.0.0.1:80", "registry:5000"] {
            assert_eq!(RegistryHost::parse(fine).expect("fine").as_str(), fine);
        }
        for wrong in ["", "https://docker.io", "docker.io/library", "*.io", "a_b", "a:0", "a:b", "../x", "_default"] {
            assert!(RegistryHost::parse(wrong).expect_err(wrong).0.contains("is not a registry"), "{wrong}");
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
        ] {
            assert_eq!(Mirror::parse(text).expect("fine").as_str(), kept);
        }
        let wrong = [
            ("", "is not a URL"),
            ("registry:5000", "must begin with"),
            ("ftp://registry", "must begin with"),
            ("/v2", "must begin with"),
            ("http://u:p@registry", "imagePullSecrets"),
            ("http://registry/?a=b", "end with its path"),
            ("http://registry/#a", "end with its path"),
            ("http://a b", "is not a URL"),
        ];
        for (text, part) in wrong {
            let refused = Mirror::parse(text).expect_err(text).0;
            assert!(refused.contains(part), "{refused}");
        }
        let is_loopback = |text: &str| Mirror::parse(text).expect("a URL").is_loopback();
        assert!(["http://localhost:5000", "http://127.0.0.1:5000", "https://[::1]"].into_iter().all(is_loopback));
        assert!(!["http://registry:5000", "http://10.0.0.1"].into_iter().any(is_loopback));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_can_stand_between_quotes(text in any::<String>()) {
            let taken = [RegistryHost::parse(&text).map(String::from), Mirror::parse(&text).map(String::from)];
            for text in taken.into_iter().flatten() {
                prop_assert!(!text.contains(['"', '\\']) && !text.chars().any(char::is_control), "{text:?}");
                prop_assert!(!text.contains(".."), "{text:?}");
            }
        }
    }
}
