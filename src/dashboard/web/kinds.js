// The kinds that have a page: where they live in the API, and their columns.

import { age, el, state } from "./dom.js";

const sum = (list, value) => (list ?? []).reduce((total, item) => total + value(item), 0);
const condition = (object, type) => (object.status?.conditions ?? []).find((c) => c.type === type);
const join = (list) => (list ?? []).join(", ");

/** What a Pod's state is called, in kubectl's words, and how good it is. */
export function podState(pod) {
  if (pod.metadata.deletionTimestamp) return ["Terminating", "wait"];
  const status = pod.status ?? {};
  for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
    const waiting = container.state?.waiting?.reason;
    if (waiting && waiting !== "PodInitializing" && waiting !== "ContainerCreating") return [waiting, "bad"];
    const ended = container.state?.terminated;
    if (ended && ended.exitCode !== 0) return [ended.reason ?? `exit ${ended.exitCode}`, "bad"];
  }
  if (status.phase === "Succeeded") return ["Completed", "good"];
  if (status.phase === "Running") return condition(pod, "Ready")?.status === "True" ? ["Running", "good"] : ["not ready", "wait"];
  return [status.reason ?? status.phase ?? "Unknown", status.phase === "Failed" ? "bad" : "wait"];
}

const replicas = (object) => {
  const wanted = object.spec.replicas ?? 1, ready = object.status?.readyReplicas ?? 0;
  return state(`${ready}/${wanted}`, ready >= wanted ? "good" : "wait");
};
const nodeReady = (node) => {
  const ready = condition(node, "Ready")?.status === "True";
  return state(`${ready ? "Ready" : "NotReady"}${node.spec.unschedulable ? ", cordoned" : ""}`, ready ? "good" : "bad");
};
const roles = (node) => join(Object.keys(node.metadata.labels ?? {})
  .filter((label) => label.startsWith("node-role.kubernetes.io/")).map((label) => label.split("/")[1]));
const ports = (service) => join((service.spec.ports ?? [])
  .map((p) => `${p.port}${p.nodePort ? `:${p.nodePort}` : ""}/${p.protocol}`));
const addresses = (object) => join((object.status?.loadBalancer?.ingress ?? []).map((i) => i.ip ?? i.hostname));
const ageOf = ["age", (object) => age(object.metadata.creationTimestamp)];

const kind = (group, title, plural, name, version, namespaced, columns, actions = []) => ({
  group, title, plural, name, version, namespaced, actions, columns: [...columns, ageOf],
});

/** Every kind with a page, in groups as the navigation shows them. */
export const GROUPS = [
  ["workloads", [
    kind("", "Pods", "pods", "Pod", "v1", true, [
      ["ready", (p) => `${sum(p.status?.containerStatuses, (c) => (c.ready ? 1 : 0))}/${p.spec.containers.length}`],
      ["state", (p) => state(...podState(p))],
      ["restarts", (p) => sum(p.status?.containerStatuses, (c) => c.restartCount)],
      ["address", (p) => p.status?.podIP], ["node", (p) => p.spec.nodeName],
    ], ["logs"]),
    kind("apps", "Deployments", "deployments", "Deployment", "v1", true, [["ready", replicas]], ["scale", "restart"]),
    kind("apps", "StatefulSets", "statefulsets", "StatefulSet", "v1", true, [["ready", replicas]], ["scale", "restart"]),
    kind("apps", "DaemonSets", "daemonsets", "DaemonSet", "v1", true, [["ready", (d) => {
      const { numberReady = 0, desiredNumberScheduled = 0 } = d.status ?? {};
      return state(`${numberReady}/${desiredNumberScheduled}`, numberReady >= desiredNumberScheduled ? "good" : "wait");
    }]], ["restart"]),
    kind("apps", "ReplicaSets", "replicasets", "ReplicaSet", "v1", true, [["ready", replicas]]),
    kind("batch", "Jobs", "jobs", "Job", "v1", true, [["completed", (j) => `${j.status?.succeeded ?? 0}/${j.spec.completions ?? 1}`]]),
    kind("batch", "CronJobs", "cronjobs", "CronJob", "v1", true, [["schedule", (j) => j.spec.schedule]]),
    kind("autoscaling", "Autoscalers", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "v2", true, [
      ["target", (h) => `${h.spec.scaleTargetRef.kind}/${h.spec.scaleTargetRef.name}`],
      ["replicas", (h) => `${h.status?.currentReplicas ?? 0} (${h.spec.minReplicas ?? 1}–${h.spec.maxReplicas})`],
    ]),
  ]],
  ["network", [
    kind("", "Services", "services", "Service", "v1", true, [
      ["type", (s) => s.spec.type], ["address", (s) => s.spec.clusterIP], ["outside", addresses], ["ports", ports],
    ]),
    kind("networking.k8s.io", "Ingresses", "ingresses", "Ingress", "v1", true, [
      ["class", (i) => i.spec.ingressClassName], ["hosts", (i) => join((i.spec.rules ?? []).map((r) => r.host ?? "*"))],
      ["address", addresses],
    ]),
    kind("networking.k8s.io", "NetworkPolicies", "networkpolicies", "NetworkPolicy", "v1", true, [
      ["types", (p) => join(p.spec.policyTypes)],
    ]),
  ]],
  ["configuration and storage", [
    kind("", "ConfigMaps", "configmaps", "ConfigMap", "v1", true, [["keys", (c) => join(Object.keys(c.data ?? {}))]]),
    kind("", "Claims", "persistentvolumeclaims", "PersistentVolumeClaim", "v1", true, [
      ["state", (c) => state(c.status?.phase, c.status?.phase === "Bound" ? "good" : "wait")],
      ["size", (c) => c.status?.capacity?.storage ?? c.spec.resources?.requests?.storage],
      ["class", (c) => c.spec.storageClassName], ["volume", (c) => c.spec.volumeName],
    ]),
    kind("", "Volumes", "persistentvolumes", "PersistentVolume", "v1", false, [
      ["state", (v) => v.status?.phase], ["size", (v) => v.spec.capacity?.storage],
      ["claim", (v) => (v.spec.claimRef ? `${v.spec.claimRef.namespace}/${v.spec.claimRef.name}` : "")],
      ["reclaim", (v) => v.spec.persistentVolumeReclaimPolicy],
    ]),
    kind("", "Quotas", "resourcequotas", "ResourceQuota", "v1", true, [
      ["used of hard", (q) => join(Object.entries(q.status?.hard ?? {}).map(([k, hard]) => `${k} ${q.status.used?.[k] ?? 0}/${hard}`))],
    ]),
  ]],
  ["cluster", [
    kind("", "Nodes", "nodes", "Node", "v1", false, [
      ["state", nodeReady], ["roles", roles], ["version", (n) => n.status?.nodeInfo?.kubeletVersion],
      ["address", (n) => (n.status?.addresses ?? []).find((a) => a.type === "InternalIP")?.address],
    ], ["cordon"]),
    kind("", "Namespaces", "namespaces", "Namespace", "v1", false, [["state", (n) => n.status?.phase]]),
    kind("", "Events", "events", "Event", "v1", true, [
      ["type", (e) => state(e.type, e.type === "Normal" ? "" : "wait")], ["reason", (e) => e.reason],
      ["object", (e) => `${e.involvedObject.kind}/${e.involvedObject.name}`], ["message", (e) => el("span", {}, e.message ?? "")],
    ]),
  ]],
];

const ALL = GROUPS.flatMap(([, kinds]) => kinds);

/** The kind with this plural name. */
export const kindOf = (plural) => ALL.find((k) => k.plural === plural);
