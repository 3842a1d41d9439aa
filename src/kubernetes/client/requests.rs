//! Objects that are applied, deleted, read and listed, and the logs of containers.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams};
use serde_json::Value;

use super::{FIELD_MANAGER, KubeClient, words};
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::{LogQuery, Progress, Selection, objects};

impl KubeClient {
    pub(super) async fn apply_in_order(&self, list: &[Value], progress: Progress<'_>) -> Result<()> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        for object in list {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let api = self.api_of(object);
            self.insist(&format!("apply {}", objects::describe(object)), progress, || {
                let (api, params) = (&api, &params);
                async move { api.patch(name, params, &Patch::Apply(object)).await }
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn delete_in_reverse(&self, list: &[Value]) -> Result<()> {
        for object in list.iter().rev() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let (api, params) = (self.api_of(object), DeleteParams::background());
            match self.patiently(|| api.delete(name, &params)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(e) => {
                    return Err(Error::failed(format!("cannot delete {}", objects::describe(object))).cause(words(&e)));
                }
            }
        }
        Ok(())
    }

    pub(super) async fn read_current(&self, object: &Value) -> Result<Option<Value>> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let unreadable =
            |cause: String| Error::failed(format!("cannot read {}", objects::describe(object))).cause(cause);
        let api = self.api_of(object);
        match self.patiently(|| api.get_opt(name)).await {
            Ok(found) => found.map(|f| serde_json::to_value(f).map_err(|e| unreadable(e.to_string()))).transpose(),
            Err(e) => Err(unreadable(words(&e))),
        }
    }

    pub(super) async fn list_kind(&self, kind: &Kind, selection: Selection<'_>) -> Result<Vec<Value>> {
        let params = ListParams::default().labels(selection.labels).fields(selection.fields);
        let api = self.api(kind, selection.namespace);
        match self.patiently(|| api.list(&params)).await {
            Ok(list) => list.items.iter().map(|object| typed(object, kind)).collect(),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(e) => Err(Error::failed(format!("cannot list objects of kind {}", kind.kind)).cause(words(&e))),
        }
    }

    pub(super) async fn read_named(&self, kind: &Kind, namespace: Option<&str>, name: &str) -> Result<Option<Value>> {
        let api = self.api(kind, namespace);
        match self.patiently(|| api.get_opt(name)).await {
            Ok(object) => object.map(|object| typed(&object, kind)).transpose(),
            Err(e) => Err(Error::failed(format!("cannot read {} `{name}`", kind.kind)).cause(words(&e))),
        }
    }

    pub(super) async fn read_log(&self, query: LogQuery<'_>) -> Result<Option<String>> {
        let params = LogParams {
            container: Some(query.container.to_owned()),
            previous: query.previous,
            tail_lines: Some(query.tail.into()),
            ..LogParams::default()
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), query.namespace);
        match pods.logs(query.pod, &params).await {
            Ok(text) => Ok(Some(text)),
            // 400: the container has not started yet, or there was none before it.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
            Err(e) => {
                let what = format!("cannot read the log of Pod {}/{}", query.namespace, query.pod);
                Err(Error::failed(what).cause(words(&e)))
            }
        }
    }
}

/// An object as JSON. Servers leave out the kind of listed objects; every reader of ours may rely on it.
pub(super) fn typed(object: &DynamicObject, kind: &Kind) -> Result<Value> {
    let mut value = serde_json::to_value(object)
        .map_err(|e| Error::new(ErrorKind::Bug, format!("cannot read an object of kind {}", kind.kind)).source(&e))?;
    value["kind"] = kind.kind.into();
    value["apiVersion"] =
        if kind.group.is_empty() { kind.version.into() } else { format!("{}/{}", kind.group, kind.version).into() };
    Ok(value)
}
