// The page of one object: what can be done with it, its events, its logs, all of it as YAML.

import { lines, patch, pathOf, read, remove } from "./api.js";
import { age, el, state, table } from "./dom.js";
import { yaml } from "./yaml.js";

const LAST_LINES = 500;

function actions(kind, object, path, again) {
  const { name } = object.metadata;
  const button = (text, work, style) => el("button", { class: style, click: async (event) => {
    event.target.disabled = true;
    try { await work(); } catch (e) { alert(e.message); }
    event.target.disabled = false;
  } }, text);
  const known = {
    scale: () => button("scale…", async () => {
      const wanted = prompt(`How many replicas of ${name}?`, object.spec.replicas ?? 1);
      if (wanted === null || !/^\d+$/.test(wanted)) return;
      await patch(`${path}/scale`, { spec: { replicas: Number(wanted) } });
      again();
    }),
    restart: () => button("restart", async () => {
      const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
      await patch(path, { spec: { template: { metadata: { annotations } } } });
      again();
    }),
    cordon: () => button(object.spec.unschedulable ? "uncordon" : "cordon", async () => {
      await patch(path, { spec: { unschedulable: !object.spec.unschedulable } });
      again();
    }),
  };
  const own = kind.actions.filter((action) => known[action]).map((action) => known[action]());
  const del = button("delete", async () => {
    if (!confirm(`Delete ${kind.name} ${name}? This cannot be undone.`)) return;
    await remove(path);
    location.hash = `#/${kind.plural}`;
  }, "danger");
  return el("div", { class: "actions" }, own, del);
}

async function events(object) {
  const { namespace, uid } = object.metadata;
  const scope = namespace ? `/namespaces/${namespace}` : "";
  const list = await read(`/api/v1${scope}/events?fieldSelector=involvedObject.uid=${uid}`);
  const rows = list.items.map((e) => [
    state(e.type, e.type === "Normal" ? "" : "wait"), e.reason, age(e.lastTimestamp ?? e.eventTime), e.count ?? 1, e.message,
  ]);
  return table(["type", "reason", "age", "times", "message"], rows);
}

function logs(object, path, signal) {
  const containers = [...(object.spec.initContainers ?? []), ...object.spec.containers].map((c) => c.name);
  const text = el("pre", {});
  let current = new AbortController();
  signal.addEventListener("abort", () => current.abort());
  const show = async () => {
    current.abort();
    current = new AbortController();
    const mine = current.signal;
    const before = previous.checked;
    text.replaceChildren();
    const query = `container=${choice.value}&tailLines=${LAST_LINES}&${before ? "previous=true" : "follow=true"}`;
    try {
      await lines(`${path}/log?${query}`, mine, (line) => {
        const below = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
        text.append(`${line}\n`);
        if (below) text.scrollTop = text.scrollHeight;
      });
    } catch (e) {
      if (!mine.aborted) text.replaceChildren(e.message);
    }
  };
  const choice = el("select", { change: show }, containers.map((name) => el("option", {}, name)));
  choice.value = object.spec.containers[0].name;
  const previous = el("input", { type: "checkbox", change: show });
  show();
  return el("section", {}, el("h2", {}, "logs"),
    el("div", { class: "actions" }, el("label", {}, "container ", choice), el("label", {}, previous, " of the run before")), text);
}

/** Draws one object into `main` until `signal` ends it. */
export async function showDetail(main, kind, namespace, name, signal, again) {
  const path = pathOf(kind, namespace, name);
  const object = await read(path);
  delete object.metadata.managedFields;
  const parts = [
    el("h1", {}, `${kind.name} ${namespace ? `${namespace}/` : ""}${name}`),
    actions(kind, object, path, again),
    table(kind.columns.map(([head]) => head), [kind.columns.map(([, cell]) => cell(object))]),
    el("h2", {}, "events"), await events(object),
  ];
  if (kind.actions.includes("logs")) parts.push(logs(object, path, signal));
  parts.push(el("h2", {}, "YAML"), el("pre", {}, yaml(object)));
  main.replaceChildren(...parts);
}
