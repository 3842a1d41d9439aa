//! The files of a node: as a listing without secrets, and as bytes.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::pki::{Cert, Pki};

/// One entry of a node's file system, to be made before its container starts; owner and group are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Absolute path in the node.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What an entry is. Everything that is a secret, or random, stands here by name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Folder,
    /// A symbolic link to this target.
    Link(String),
    /// A document without secrets.
    Text(String),
    /// A certificate.
    Certificate(Cert),
    /// A certificate's private key.
    Key(Cert),
    /// A certificate followed by its private key, in one file.
    CertificateAndKey(Cert),
    /// The key that signs service-account tokens.
    ServiceAccountKey,
    /// The key that verifies service-account tokens.
    ServiceAccountPublicKey,
    /// The API server's `EncryptionConfiguration`, which holds the key of Secrets at rest.
    EncryptionConfig,
}

/// An entry with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A symbolic link to this target.
    Link(String),
    /// A file.
    File(Zeroizing<Vec<u8>>),
}

impl Content {
    /// Whether it must not be printed.
    pub const fn is_secret(&self) -> bool {
        match self {
            Self::Key(_) | Self::CertificateAndKey(_) | Self::ServiceAccountKey | Self::EncryptionConfig => true,
            Self::Folder | Self::Link(_) | Self::Text(_) | Self::Certificate(_) | Self::ServiceAccountPublicKey => {
                false
            }
        }
    }

    /// What it is, in words that hold no secret.
    pub fn describe(&self) -> String {
        match self {
            Self::Folder => "folder".into(),
            Self::Link(target) => format!("link to {target}"),
            Self::Text(text) => format!("{} bytes of text", text.len()),
            Self::Certificate(cert) => format!("certificate: {cert}"),
            Self::Key(cert) => format!("private key: {cert}"),
            Self::CertificateAndKey(cert) => format!("certificate and private key: {cert}"),
            Self::ServiceAccountKey => "private key that signs service-account tokens".into(),
            Self::ServiceAccountPublicKey => "public key that verifies service-account tokens".into(),
            Self::EncryptionConfig => "encryption of Secrets at rest, with its key".into(),
        }
    }
}

/// The bytes of one entry.
pub fn materialize(file: &FileSpec, pki: &Pki) -> Result<Entry> {
    let bytes = match &file.content {
        Content::Folder => return Ok(Entry::Folder),
        Content::Link(target) => return Ok(Entry::Link(target.clone())),
        Content::Text(text) => text.clone().into_bytes(),
        Content::Certificate(cert) => pki.pair(cert)?.certificate().into(),
        Content::Key(cert) => pki.pair(cert)?.key().expose().into(),
        Content::CertificateAndKey(cert) => {
            let pair = pki.pair(cert)?;
            [pair.certificate().as_bytes(), pair.key().expose().as_bytes()].concat()
        }
        Content::ServiceAccountKey => pki.roots().service_account_key().expose().into(),
        Content::ServiceAccountPublicKey => pki.roots().service_account_public_key().into(),
        Content::EncryptionConfig => encryption_config(pki),
    };
    Ok(Entry::File(Zeroizing::new(bytes)))
}

/// Secrets are encrypted; what was written in the clear before stays readable (`identity` last).
fn encryption_config(pki: &Pki) -> Vec<u8> {
    // Written as text, so that no JSON tree keeps a copy of the key.
    let key = pki.roots().encryption_key().expose_base64();
    let secretbox = Zeroizing::new(format!(r#"{{"secretbox":{{"keys":[{{"name":"key1","secret":"{}"}}]}}}}"#, *key));
    [
        r#"{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration","#,
        r#""resources":[{"resources":["secrets"],"providers":["#,
        &secretbox,
        r#",{"identity":{}}]}]}"#,
    ]
    .concat()
    .into_bytes()
}

impl FileSpec {
    /// A folder.
    pub fn folder(path: &str, mode: u32) -> Self {
        Self { path: path.into(), mode, content: Content::Folder }
    }

    /// A document that everybody may read.
    pub fn text(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.into(), mode: 0o644, content: Content::Text(text.into()) }
    }

    /// A document that only root may read, although it holds no secret itself.
    pub fn private_text(path: &str, text: impl Into<String>) -> Self {
        Self { mode: 0o600, ..Self::text(path, text) }
    }

    /// Something by name: secrets are readable by root only.
    pub fn named(path: &str, content: Content) -> Self {
        let mode = if content.is_secret() { 0o600 } else { 0o644 };
        Self { path: path.into(), mode, content }
    }
}
