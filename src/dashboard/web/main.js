// The frame: navigation, namespaces, and which page is shown. The address after # is the only state.

import { cluster, follow } from "./api.js";
import { showDetail } from "./detail.js";
import { el } from "./dom.js";
import { GROUPS, kindOf } from "./kinds.js";
import { showList } from "./list.js";
import { showOverview } from "./overview.js";

const main = document.getElementById("main");
const namespaces = document.getElementById("namespace");
const filter = document.getElementById("filter");
let page = new AbortController();

function notice(error) {
  main.replaceChildren(el("p", { class: "notice", role: "alert" }, error.message), el("button", { click: show }, "try again"));
}

async function show() {
  page.abort();
  page = new AbortController();
  const { signal } = page;
  const [plural, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  for (const link of document.querySelectorAll("nav a")) {
    link.classList.toggle("here", link.getAttribute("href") === `#/${plural}`);
  }
  const options = { namespace: namespaces.value, filter: filter.value.trim() };
  const kind = kindOf(plural);
  try {
    if (!kind) await showOverview(main, options);
    else if (rest.length === 2) await showDetail(main, kind, rest[0] === "-" ? "" : rest[0], rest[1], signal, show);
    else await showList(main, kind, options, signal);
  } catch (e) {
    // Whoever went to another page does not want to hear of the last one.
    if (!signal.aborted) notice(e);
  }
}

function navigate() {
  document.getElementById("nav").replaceChildren(el("a", { href: "#/" }, "Overview"), ...GROUPS.flatMap(([title, kinds]) => [
    el("h2", {}, title), ...kinds.map((kind) => el("a", { href: `#/${kind.plural}` }, kind.title)),
  ]));
}

async function listNamespaces() {
  await follow("/api/v1/namespaces", new AbortController().signal, (found) => {
    const chosen = namespaces.value;
    const names = found.map((n) => n.metadata.name).sort();
    namespaces.replaceChildren(el("option", { value: "" }, "all"), ...names.map((name) => el("option", {}, name)));
    namespaces.value = names.includes(chosen) ? chosen : "";
  });
}

navigate();
namespaces.append(el("option", { value: "" }, "all"));
namespaces.addEventListener("change", show);
filter.addEventListener("input", show);
window.addEventListener("hashchange", show);
cluster().then(({ name }) => {
  document.getElementById("cluster").textContent = name;
  document.title = `${name} · knarr`;
});
show();
listNamespaces().catch(notice);
