//! What outlives every renewal: the authorities, the service-account pair, the encryption key.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use time::OffsetDateTime;
use zeroize::Zeroize as _;

use super::authority::{CertifiedKey, Validity, failed};
use super::{Authority, CA_LIFE, EncryptionKey, SecretPem};
use crate::error::Result;

/// The secrets that are the same on every control plane and as long as the cluster lives.
#[derive(Clone, Debug)]
pub struct Roots {
    cluster: CertifiedKey,
    etcd: CertifiedKey,
    front_proxy: CertifiedKey,
    service_account: SecretPem,
    service_account_public: String,
    encryption: EncryptionKey,
}

impl Roots {
    /// Makes new ones.
    pub fn generate(now: OffsetDateTime) -> Result<Self> {
        let validity = Validity::starting(now, CA_LIFE);
        let authority = |which: Authority| CertifiedKey::new_authority(which.common_name(), validity);
        let mut key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|e| failed("cannot make the service-account key", &e))?;
        let service_account = SecretPem::new(key.serialize_pem());
        key.zeroize();
        Self::from_pem(
            authority(Authority::Cluster)?,
            authority(Authority::Etcd)?,
            authority(Authority::FrontProxy)?,
            service_account,
            EncryptionKey::generate(),
        )
    }

    /// Takes over those of an existing cluster; fails if a key does not parse.
    pub fn from_pem(
        cluster: CertifiedKey,
        etcd: CertifiedKey,
        front_proxy: CertifiedKey,
        service_account: SecretPem,
        encryption: EncryptionKey,
    ) -> Result<Self> {
        let mut key = KeyPair::from_pem(service_account.expose())
            .map_err(|e| failed("cannot read the service-account key", &e))?;
        let service_account_public = key.public_key_pem();
        key.zeroize();
        Ok(Self { cluster, etcd, front_proxy, service_account, service_account_public, encryption })
    }

    /// One authority's certificate and key.
    pub fn authority(&self, authority: Authority) -> &CertifiedKey {
        match authority {
            Authority::Cluster => &self.cluster,
            Authority::Etcd => &self.etcd,
            Authority::FrontProxy => &self.front_proxy,
        }
    }

    /// The key that signs service-account tokens.
    pub fn service_account_key(&self) -> &SecretPem {
        &self.service_account
    }

    /// The key that verifies service-account tokens.
    pub fn service_account_public_key(&self) -> &str {
        &self.service_account_public
    }

    /// The key that encrypts Secrets in etcd.
    pub fn encryption_key(&self) -> &EncryptionKey {
        &self.encryption
    }
}
