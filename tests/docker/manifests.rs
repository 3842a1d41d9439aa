//! `create --manifest`: definitions before their objects, images out of the host's Docker, and what a refusal leaves.

use crate::cluster::text;
use crate::scene::Scene;
use crate::{Case, images};

pub const CASES: &[Case] = &[("applied_with_the_cluster", applied_with_the_cluster)];

fn applied_with_the_cluster(scene: &Scene) {
    std::fs::create_dir(scene.path("app")).expect("a folder");
    let image = images::make(scene, "manifests");
    scene.write("app/10-app.yaml", APP.replace("IMAGE", &image.name));
    scene.write("app/20-definition.yaml", DEFINITION);
    let broken = scene.write("broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\nmisspelt: {}\n");
    let cluster = scene.cluster("manifests");
    let folder = scene.path("app");
    let flags = ["--load-images", "--manifest", &folder.to_string_lossy(), "--manifest", &broken.to_string_lossy()];
    let created = cluster.try_create(&flags).exits(1);
    assert!(created.stderr.contains("only 4 of 5 objects of the manifests were applied"), "{created}");
    assert!(created.stderr.contains("misspelt"), "{created}");

    let ship = cluster.get(&["ships.kt.example.com", "beagle", "-n", "kt-fleet"]);
    assert_eq!(text(&ship, "/spec/captain"), "FitzRoy");
    cluster.kubectl(&["wait", "-n", "kt-fleet", "deployment/web", "--for=condition=Available", "--timeout=60s"]).ok();
    cluster.delete();
}

const APP: &str = "
apiVersion: kt.example.com/v1
kind: Ship
metadata: {name: beagle, namespace: kt-fleet}
spec: {captain: FitzRoy}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: kt-fleet}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'IMAGE', imagePullPolicy: Never}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: kt-fleet}
";

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ships.kt.example.com}
spec:
  group: kt.example.com
  scope: Namespaced
  names: {plural: ships, singular: ship, kind: Ship}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {captain: {type: string}}}}
";
