// The first page: how the cluster is, at one look.

import { pathOf, read } from "./api.js";
import { age, el, state, table } from "./dom.js";
import { kindOf, podState } from "./kinds.js";

const bytes = (quantity) => {
  const [, number, unit = ""] = /^([\d.]+)([A-Za-z]*)$/.exec(quantity ?? "0") ?? [0, 0];
  const factors = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, k: 1e3, M: 1e6, G: 1e9 };
  return Number(number) * (factors[unit] ?? 1);
};
const cores = (quantity) => {
  const factors = { n: 1e-9, u: 1e-6, m: 1e-3 };
  const unit = (quantity ?? "0").slice(-1);
  return parseFloat(quantity ?? "0") * (factors[unit] ?? 1);
};

const card = (title, text, kind, href) => el("a", { class: "card", href }, title, el("b", { class: kind }, text));

async function usage() {
  try {
    const list = await read("/apis/metrics.k8s.io/v1beta1/nodes");
    return new Map(list.items.map((item) => [item.metadata.name, item.usage]));
  } catch {
    // metrics-server may be switched off, or still be starting.
    return new Map();
  }
}

/** Draws the overview into `main`. */
export async function showOverview(main, { namespace }) {
  const list = async (plural) => (await read(pathOf(kindOf(plural), namespace))).items;
  const [nodes, pods, deployments, claims, events, used] = await Promise.all([
    list("nodes"), list("pods"), list("deployments"), list("persistentvolumeclaims"), list("events"), usage(),
  ]);
  const ready = nodes.filter((n) => (n.status.conditions ?? []).some((c) => c.type === "Ready" && c.status === "True"));
  const sick = pods.filter((p) => podState(p)[1] !== "good");
  const rolled = deployments.filter((d) => (d.status.readyReplicas ?? 0) >= (d.spec.replicas ?? 1));
  const bound = claims.filter((c) => c.status.phase === "Bound");
  const of = (some, all) => [`${some.length} of ${all.length}`, some.length === all.length ? "good" : "wait"];
  const warnings = events.filter((e) => e.type !== "Normal")
    .sort((a, b) => new Date(b.lastTimestamp ?? b.eventTime) - new Date(a.lastTimestamp ?? a.eventTime)).slice(0, 15);
  main.replaceChildren(
    el("h1", {}, "Overview"),
    el("div", { class: "cards" },
      card("nodes ready", ...of(ready, nodes), "#/nodes"),
      card("Pods well", `${pods.length - sick.length} of ${pods.length}`, sick.length ? "wait" : "good", "#/pods"),
      card("Deployments ready", ...of(rolled, deployments), "#/deployments"),
      card("claims bound", ...of(bound, claims), "#/persistentvolumeclaims")),
    el("h2", {}, "nodes"),
    table(["node", "CPU", "memory"], nodes.map((node) => {
      const { name } = node.metadata, use = used.get(name), has = node.status.allocatable;
      return [
        el("a", { href: `#/nodes/-/${name}` }, name),
        use ? `${cores(use.cpu).toFixed(2)} of ${cores(has.cpu)} cores` : "not measured",
        use ? `${Math.round(bytes(use.memory) / 2 ** 20)} of ${Math.round(bytes(has.memory) / 2 ** 20)} MiB` : "not measured",
      ];
    })),
    el("h2", {}, "Pods that are not well"),
    table(["namespace", "Pod", "state"], sick.map((p) => [
      p.metadata.namespace, el("a", { href: `#/pods/${p.metadata.namespace}/${p.metadata.name}` }, p.metadata.name), state(...podState(p)),
    ])),
    el("h2", {}, "last warnings"),
    table(["age", "object", "reason", "message"], warnings.map((e) => [
      age(e.lastTimestamp ?? e.eventTime), `${e.involvedObject.kind}/${e.involvedObject.name}`, e.reason, e.message,
    ])));
}
