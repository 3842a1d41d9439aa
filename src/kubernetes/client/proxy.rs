//! What the API server hands through: requests as they are, and connections to Pods.

use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::{KubeClient, words};
use crate::error::{Error, Result};
use crate::kubernetes::{Duplex, RawAnswer, RawRequest};

impl KubeClient {
    pub(super) async fn hand_through(&self, request: RawRequest) -> Result<RawAnswer> {
        let refused = |cause: String| {
            Error::failed(format!("cannot hand `{} {}` to the API server", request.method, request.path)).cause(cause)
        };
        let mut raw = http::Request::builder().method(request.method.clone()).uri(&request.path);
        if let Some(kind) = &request.content_type {
            raw = raw.header(http::header::CONTENT_TYPE, kind);
        }
        let raw = raw.body(request.body.clone().into()).map_err(|e| refused(e.to_string()))?;
        let answer = self.client.send(raw).await.map_err(|e| refused(words(&e)))?;
        let (head, body) = answer.into_parts();
        let kind = head.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Ok(RawAnswer {
            status: head.status.as_u16(),
            content_type: kind.to_owned(),
            body: body.into_data_stream().map_err(std::io::Error::other).boxed(),
        })
    }

    pub(super) async fn connect_to_pod(&self, namespace: &str, pod: &str, port: u16) -> Result<Box<dyn Duplex>> {
        let refused = || Error::failed(format!("cannot connect to port {port} of Pod {namespace}/{pod}"));
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forwarder = pods.portforward(pod, &[port]).await.map_err(|e| refused().cause(words(&e)))?;
        let stream = forwarder.take_stream(port).ok_or_else(refused)?;
        Ok(Box::new(stream) as Box<dyn Duplex>)
    }
}
