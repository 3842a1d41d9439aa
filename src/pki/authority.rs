//! Signing: the rules that hold for every certificate, whatever it is for.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroize as _;

use super::{Authority, BACKDATE, SecretPem};
use crate::error::{Error, ErrorKind, Result};

/// What one leaf certificate says.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) authority: Authority,
    pub(super) common_name: String,
    pub(super) organization: Option<&'static str>,
    pub(super) server: bool,
    pub(super) client: bool,
    pub(super) dns: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
}

/// From when until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    from: OffsetDateTime,
    until: OffsetDateTime,
}

impl Validity {
    /// From a little before `now`, and then for `life`.
    pub(super) fn starting(now: OffsetDateTime, life: Duration) -> Self {
        // Certificates count whole seconds.
        let now = now - Duration::nanoseconds(now.nanosecond().into());
        Self { from: now - BACKDATE, until: now + life }
    }
}

/// A certificate and its private key.
#[derive(Clone, Debug)]
pub struct CertifiedKey {
    certificate: String,
    key: SecretPem,
}

impl CertifiedKey {
    /// Takes over a certificate and the key that belongs to it, as an authority of an existing cluster has them.
    pub fn from_pem(certificate: String, key: SecretPem) -> Result<Self> {
        let (_, public) = inspect(&certificate)?;
        let mut pair = KeyPair::from_pem(key.expose()).map_err(|e| failed("cannot read a private key", &e))?;
        let matches = pair.public_key_raw() == public;
        pair.zeroize();
        if matches {
            return Ok(Self { certificate, key });
        }
        Err(Error::failed("a certificate and its private key do not belong together"))
    }

    /// Makes a certificate authority that signs itself.
    pub(super) fn new_authority(common_name: &str, validity: Validity) -> Result<Self> {
        let mut params = base(common_name, None, validity);
        // A path length of 0: it signs leaves, not further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        with_new_key(|key| params.self_signed(key))
            .map_err(|e| failed(format!("cannot make the certificate authority `{common_name}`"), &e))
    }

    /// The certificate in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key in PEM.
    pub fn key(&self) -> &SecretPem {
        &self.key
    }

    /// Signs with this pair as the authority; none of the results outlives it.
    pub(super) fn sign(&self, profiles: &[Profile], mut validity: Validity) -> Result<Vec<Self>> {
        let (until, _) = inspect(&self.certificate)?;
        validity.until = validity.until.min(until);
        let mut key = KeyPair::from_pem(self.key.expose()).map_err(|e| failed("cannot read an authority's key", &e))?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, &key)
            .map_err(|e| failed("cannot read an authority's certificate", &e))?;
        let signed = profiles
            .iter()
            .map(|profile| {
                let params = leaf(profile, validity)?;
                with_new_key(|key| params.signed_by(key, &issuer))
                    .map_err(|e| failed(format!("cannot sign the certificate of `{}`", profile.common_name), &e))
            })
            .collect();
        drop(issuer);
        key.zeroize();
        signed
    }
}

/// Parameters that hold for authorities and leaves.
fn base(common_name: &str, organization: Option<&str>, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = validity.from;
    params.not_after = validity.until;
    params.serial_number = Some(serial());
    params
}

fn leaf(profile: &Profile, validity: Validity) -> Result<CertificateParams> {
    let mut params = base(&profile.common_name, profile.organization, validity);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    // An ECDSA key never enciphers another key, so it needs no other usage.
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if profile.server {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if profile.client {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    for name in &profile.dns {
        let name = name
            .as_str()
            .try_into()
            .map_err(|e| Error::new(ErrorKind::Config, format!("`{name}` cannot stand in a certificate")).source(&e))?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params.subject_alt_names.extend(profile.addresses.iter().copied().map(SanType::IpAddress));
    Ok(params)
}

/// 16 random bytes, positive and never shortened by leading zeros. (rcgen's own serial is a hash of the public key.)
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Makes a key, lets `certify` make its certificate, and wipes what need not stay.
fn with_new_key(
    certify: impl FnOnce(&KeyPair) -> Result<rcgen::Certificate, rcgen::Error>,
) -> Result<CertifiedKey, rcgen::Error> {
    let mut key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = certify(&key);
    let secret = SecretPem::new(key.serialize_pem());
    key.zeroize();
    Ok(CertifiedKey { certificate: certificate?.pem(), key: secret })
}

/// The end and the public key of a certificate.
fn inspect(certificate: &str) -> Result<(OffsetDateTime, Vec<u8>)> {
    let unreadable = |reason: String| Error::failed("cannot read a certificate").cause(reason);
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).map_err(|e| unreadable(e.to_string()))?;
    let parsed = pem.parse_x509().map_err(|e| unreadable(e.to_string()))?;
    let public = parsed.public_key().subject_public_key.data.to_vec();
    Ok((parsed.validity().not_after.to_datetime(), public))
}

pub(super) fn failed(message: impl Into<String>, error: &rcgen::Error) -> Error {
    Error::failed(message).source(error)
}
