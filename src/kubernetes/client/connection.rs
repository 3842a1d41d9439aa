//! How a client is made of an address and certificates.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use kube::{Client, Config};
use serde_json::json;

use super::KubeClient;
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::{Access, Connect, Kubernetes};

/// Connects to real clusters.
#[derive(Clone, Copy, Debug, Default)]
pub struct KubeConnector;

impl Connect for KubeConnector {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Kubernetes>> {
        let wrong = |what: &str| Error::new(ErrorKind::Bug, format!("cannot use the {what} for `{}`", access.url));
        let url = access.url.parse().map_err(|_| wrong("address"))?;
        let mut config = Config::new(url);
        let ca = x509_parser::pem::Pem::iter_from_buffer(&access.ca)
            .map(|pem| pem.map(|p| p.contents))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|e| wrong("CA certificate").source(&e))?;
        config.root_cert = Some(ca);
        let base64 = &base64::engine::general_purpose::STANDARD;
        config.auth_info = serde_json::from_value(json!({
            "client-certificate-data": base64.encode(&access.cert),
            "client-key-data": base64.encode(&*access.key),
        }))
        .map_err(|_| wrong("client certificate"))?;
        config.connect_timeout = Some(Duration::from_secs(5));
        let client = Client::try_from(config).map_err(|e| wrong("certificates").source(&e))?;
        Ok(Arc::new(KubeClient { client, url: access.url.clone(), served: Mutex::default() }))
    }
}
