// The page of one kind: its objects as a table that follows the cluster.

import { follow, pathOf } from "./api.js";
import { el, table } from "./dom.js";

const link = (kind, object) => {
  const { namespace = "", name } = object.metadata;
  return el("a", { href: `#/${kind.plural}/${namespace || "-"}/${name}` }, name);
};

const newestFirst = (a, b) => new Date(b.metadata.creationTimestamp) - new Date(a.metadata.creationTimestamp);
const byName = (a, b) => `${a.metadata.namespace}/${a.metadata.name}`.localeCompare(`${b.metadata.namespace}/${b.metadata.name}`);

/** Draws the list of a kind into `main` until `signal` ends it. */
export function showList(main, kind, { namespace, filter }, signal) {
  const body = el("div", {}, "…");
  main.replaceChildren(el("h1", {}, kind.title), body);
  const many = kind.namespaced && !namespace;
  const heads = [...(many ? ["namespace"] : []), "name", ...kind.columns.map(([head]) => head)];
  return follow(pathOf(kind, namespace), signal, (objects) => {
    const shown = objects.filter((o) => o.metadata.name.includes(filter));
    shown.sort(kind.plural === "events" ? newestFirst : byName);
    body.replaceChildren(table(heads, shown.map((object) => [
      ...(many ? [object.metadata.namespace] : []),
      link(kind, object),
      ...kind.columns.map(([, cell]) => cell(object)),
    ])));
  });
}
