//! How the API server and the kubelets are, in their own words.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::{KubeClient, words};
use crate::error::{Error, ErrorKind, Result};

impl KubeClient {
    pub(super) async fn ask_once(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.list(&ListParams::default().limit(1)).await {
            Ok(_) => Ok(()),
            Err(e) => Err(Error::new(ErrorKind::NotReady, format!("no answer from `{}`", self.url)).cause(words(&e))),
        }
    }

    pub(super) async fn read_failing_checks(&self) -> Result<Vec<String>> {
        let request = http_get("/readyz?verbose", kube::client::Body::empty())?;
        let broken = |e: &kube::Error| Error::failed(format!("no answer from `{}`", self.url)).cause(words(e));
        // The answer is the same list of checks, whatever its status.
        let answer = self.client.send(request).await.map_err(|e| broken(&e))?;
        let body = answer.into_body().collect_bytes().await.map_err(|e| broken(&e))?;
        Ok(String::from_utf8_lossy(&body)
            .lines()
            .filter_map(|line| line.strip_prefix("[-]"))
            .map(|line| line.split_whitespace().next().unwrap_or(line).to_owned())
            .collect())
    }

    pub(super) async fn read_node_stats(&self, node: &str) -> Result<Value> {
        let request =
            http_get(&format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true"), Vec::new())?;
        self.client
            .request(request)
            .await
            .map_err(|e| Error::failed(format!("the kubelet of node `{node}` tells nothing")).cause(words(&e)))
    }
}

fn http_get<B>(path: &str, no_body: B) -> Result<http::Request<B>> {
    http::Request::get(path)
        .body(no_body)
        .map_err(|e| Error::new(ErrorKind::Bug, format!("cannot build a request for `{path}`")).source(&e))
}
