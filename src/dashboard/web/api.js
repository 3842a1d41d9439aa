// The cluster's API, as the dashboard's server hands it through.

const ROOT = "/kubernetes";

/** An answer that was no success, with the server's own words. */
export class Refused extends Error {}

async function ask(path, options = {}) {
  const answer = await fetch(ROOT + path, options);
  if (!answer.ok) {
    const text = await answer.text();
    let words = text;
    try { words = JSON.parse(text).message ?? text; } catch { /* it is not JSON: the text is the message */ }
    throw new Refused(words || answer.statusText);
  }
  return answer;
}

/** Which cluster this is. */
export async function cluster() {
  return (await fetch("/cluster")).json();
}

/** Reads JSON. */
export async function read(path) {
  return (await ask(path)).json();
}

/** The path of a kind's objects, or of one of them. */
export function pathOf(kind, namespace, name) {
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const scope = kind.namespaced && namespace ? `/namespaces/${namespace}` : "";
  return `${root}${scope}/${kind.plural}${name ? `/${name}` : ""}`;
}

/** Deletes an object. */
export function remove(path) {
  return ask(path, { method: "DELETE", headers: { "X-Knarr": "1" } });
}

/** Changes an object by a merge patch. */
export function patch(path, body) {
  const headers = { "X-Knarr": "1", "Content-Type": "application/merge-patch+json" };
  return ask(path, { method: "PATCH", headers, body: JSON.stringify(body) });
}

/** Hears each line of an answer that has no end, until `signal` ends it. */
export async function lines(path, signal, heard) {
  const reader = (await ask(path, { signal })).body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (pending + value).split("\n");
    pending = parts.pop();
    parts.forEach(heard);
  }
}

/** Lists objects and keeps the list fresh by a watch; `changed` gets the whole list each time. */
export async function follow(path, signal, changed) {
  while (!signal.aborted) {
    const list = await read(path);
    const objects = new Map((list.items ?? []).map((item) => [item.metadata.uid, item]));
    let scheduled = false;
    const tell = () => {
      if (scheduled) return;
      scheduled = true;
      // One drawing for a burst of changes.
      requestAnimationFrame(() => { scheduled = false; if (!signal.aborted) changed([...objects.values()]); });
    };
    changed([...objects.values()]);
    const since = list.metadata.resourceVersion;
    let expired = false;
    await lines(`${path}?watch=1&resourceVersion=${since}`, signal, (line) => {
      const event = JSON.parse(line);
      if (event.type === "ERROR") { expired = true; return; }
      if (event.type === "DELETED") objects.delete(event.object.metadata.uid);
      else objects.set(event.object.metadata.uid, event.object);
      tell();
    });
    if (!expired && signal.aborted) return;
  }
}
