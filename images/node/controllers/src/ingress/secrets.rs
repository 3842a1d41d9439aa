//! Certificates and passwords out of Secrets, checked before nginx sees them.

use std::fmt::Write as _;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::annotations::AuthKind;

/// Certificate chain and key in one PEM text.
pub fn certificate(secret: &Secret) -> Result<Vec<u8>, String> {
    let chain = field(secret, "tls.crt")?;
    let key = field(secret, "tls.key")?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|why| format!("its `tls.crt` is no certificate: {why}"))?;
    if certificates.is_empty() {
        return Err("its `tls.crt` holds no certificate".into());
    }
    let parsed = PrivateKeyDer::from_pem_slice(key).map_err(|why| format!("its `tls.key` is no key: {why}"))?;
    CertifiedKey::from_der(certificates, parsed, &default_provider())
        .map_err(|why| format!("its `tls.key` does not fit its `tls.crt`: {why}"))?;
    Ok([chain, b"\n", key, b"\n"].concat())
}

/// Lines `name:hash`, as nginx reads them.
pub fn passwords(secret: &Secret, kind: AuthKind) -> Result<Vec<u8>, String> {
    let line = |line: &str| !line.contains(|c: char| c.is_control()) && line.contains(':');
    let text = match kind {
        AuthKind::File => {
            let bytes = field(secret, "auth")?;
            let text = std::str::from_utf8(bytes).map_err(|_| "its `auth` is no text".to_owned())?;
            text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
        }
        AuthKind::Map => {
            let mut text = String::new();
            for (name, ByteString(hash)) in secret.data.iter().flatten() {
                let hash = std::str::from_utf8(hash).map_err(|_| format!("its `{name}` is no text"))?;
                if hash.trim_end().contains(char::is_control) {
                    return Err(format!("its `{name}` is more than one line"));
                }
                let _ = writeln!(text, "{name}:{}", hash.trim_end());
            }
            text
        }
    };
    match text.lines().find(|l| !l.is_empty() && !l.starts_with('#') && !line(l)) {
        Some(_) => Err("it has a line that is not `name:hash`".into()),
        None if text.trim().is_empty() => Err("it holds no name".into()),
        None => Ok(text.into_bytes()),
    }
}

fn field<'s>(secret: &'s Secret, key: &str) -> Result<&'s [u8], String> {
    let found = secret.data.as_ref().and_then(|data| data.get(key));
    found.map(|ByteString(bytes)| bytes.as_slice()).ok_or_else(|| format!("it has no key `{key}`"))
}

/// A certificate for hosts that have none of their own, and its key; made anew with every start.
pub fn self_signed() -> Result<String, rcgen::Error> {
    let names = vec!["ingress.knarr.local".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok(format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(pairs: &[(&str, &str)]) -> Secret {
        let data = pairs.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_key_must_fit_its_certificate() {
        let ((certificate_a, key_a), (_, key_b)) = (pair(), pair());
        assert!(certificate(&secret(&[("tls.crt", &certificate_a), ("tls.key", &key_a)])).is_ok());
        let other = certificate(&secret(&[("tls.crt", &certificate_a), ("tls.key", &key_b)])).unwrap_err();
        assert!(other.contains("does not fit"), "{other}");
        assert!(certificate(&secret(&[("tls.crt", "x"), ("tls.key", &key_a)])).is_err());
        assert!(certificate(&secret(&[("tls.crt", &certificate_a)])).unwrap_err().contains("`tls.key`"));
    }

    #[test]
    fn passwords_are_lines() {
        let file = passwords(&secret(&[("auth", "me:{PLAIN}x\r\n\nyou:y\n")]), AuthKind::File).unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), "me:{PLAIN}x\n\nyou:y\n");
        let map = passwords(&secret(&[("me", "x\n")]), AuthKind::Map).unwrap();
        assert_eq!(map, b"me:x\n");
        assert!(passwords(&secret(&[("auth", "nothing")]), AuthKind::File).is_err());
        assert!(passwords(&secret(&[("auth", "")]), AuthKind::File).is_err());
        assert!(passwords(&secret(&[("me", "a\nroot:b")]), AuthKind::Map).is_err());
    }
}
