//! Is a certificate what it should be? Names, dates, signature: from the certificate alone, without its key.

use std::net::IpAddr;

use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::authority::Profile;
use super::profile::leaf_profile;
use super::{Authority, Cert, Leaf};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::layout::Layout;

/// A leaf with less time than this is made anew where a cluster is started, in days.
pub const RENEW_DAYS: i64 = 120;
/// A certificate with less time than this is worth a warning, in days.
pub const WARN_DAYS: i64 = 30;

/// What a certificate says of itself, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whose it is: `CN=kube-apiserver`.
    pub subject: String,
    /// The names and addresses it covers.
    pub names: Vec<String>,
    /// Its end; none if it cannot be read.
    pub until: Option<OffsetDateTime>,
    /// Whole days until then; below 0 when it has ended.
    pub days_left: i64,
    /// What is wrong with it, in words; empty is good.
    pub flaws: Vec<String>,
}

impl Checked {
    /// A certificate of which nothing can be said.
    pub fn broken(why: impl Into<String>) -> Self {
        Self { subject: String::new(), names: Vec::new(), until: None, days_left: -1, flaws: vec![why.into()] }
    }

    /// Whether it should be made anew while there is time.
    pub fn wants_renewal(&self) -> bool {
        !self.flaws.is_empty() || self.days_left < RENEW_DAYS
    }
}

/// The names and addresses of the first certificate of a PEM text.
pub fn names_of(pem: &str) -> Vec<String> {
    read(pem, names).unwrap_or_default()
}

/// Checks the certificate in `pem`, whose purpose is `cert`, against what the cluster wants and who must have signed it.
pub fn check(cert: &Cert, layout: &Layout, pem: &str, authority: &str, now: OffsetDateTime) -> Checked {
    read(pem, |certificate| {
        let validity = certificate.validity();
        let (from, until) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let mut flaws = Vec::new();
        if until <= now {
            flaws.push(format!("it ended {}", words(until)));
        }
        if from > now {
            flaws.push(format!("it begins only {}", words(from)));
        }
        let signed = read(authority, |ca| certificate.verify_signature(Some(ca.public_key())).is_ok());
        if !signed.unwrap_or(false) {
            flaws.push(format!("the cluster's authority `{}` did not sign it", authority_of(cert).common_name()));
        }
        match wanted(cert, layout) {
            Ok(Some(profile)) => flaws.extend(differences(&profile, certificate)),
            Ok(None) => {}
            Err(e) => flaws.push(e.message),
        }
        Checked {
            subject: certificate.subject().to_string(),
            names: names(certificate),
            until: Some(until),
            days_left: (until - now).whole_seconds().div_euclid(86_400),
            flaws,
        }
    })
    .unwrap_or_else(|e| Checked::broken(e.causes.into_iter().next().unwrap_or(e.message)))
}

/// Who signs a certificate; an authority signs itself.
pub fn authority_of(cert: &Cert) -> Authority {
    match cert {
        Cert::Authority(authority) => *authority,
        Cert::Leaf(Leaf::ApiServerEtcdClient | Leaf::EtcdServer | Leaf::EtcdPeer | Leaf::EtcdHealthcheckClient, _) => {
            Authority::Etcd
        }
        Cert::Leaf(Leaf::FrontProxyClient, _) => Authority::FrontProxy,
        Cert::Leaf(..) => Authority::Cluster,
    }
}

fn wanted(cert: &Cert, layout: &Layout) -> Result<Option<Profile>> {
    let Cert::Leaf(leaf, name) = cert else { return Ok(None) };
    let node = layout.nodes.iter().find(|node| node.spec.name == *name);
    let node = node.ok_or_else(|| Error::new(ErrorKind::Bug, format!("`{name}` is no node of the cluster")))?;
    leaf_profile(*leaf, layout, node).map(Some)
}

/// What a certificate lacks of what it should say. More names than wanted do no harm.
fn differences(profile: &Profile, certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut flaws = Vec::new();
    let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    if common_name != Some(profile.common_name.as_str()) {
        flaws.push(format!("it is not for `{}`", profile.common_name));
    }
    let covered = names(certificate);
    let addresses = profile.addresses.iter().map(ToString::to_string);
    let missing: Vec<String> = profile.dns.iter().cloned().chain(addresses).filter(|n| !covered.contains(n)).collect();
    if !missing.is_empty() {
        flaws.push(format!("it does not cover {}", missing.join(", ")));
    }
    flaws
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let all = extension.into_iter().flat_map(|extension| &extension.value.general_names);
    all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    })
    .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn words(time: OffsetDateTime) -> String {
    format!("on {} at {:02}:{:02} UTC", time.date(), time.hour(), time.minute())
}

/// Looks at the first certificate of a PEM text.
fn read<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> Result<T> {
    let unreadable =
        |why: String| Error::failed("cannot read a certificate").cause(format!("it cannot be read: {why}"));
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| unreadable(e.to_string()))?;
    Ok(look(&pem.parse_x509().map_err(|e| unreadable(e.to_string()))?))
}
