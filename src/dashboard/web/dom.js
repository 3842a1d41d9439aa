// Building pages: elements from data. Text is always set as text, never as markup.

/** An element with attributes (functions are listeners) and children (texts or elements). */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** A table; each row is a list of cells. */
export function table(heads, rows) {
  if (rows.length === 0) return el("p", { class: "empty" }, "none");
  return el("table", {},
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell ?? ""))))));
}

/** A word in the colour of what it says. */
export function state(word, kind) {
  return el("span", { class: kind }, word);
}

/** How long ago a time was, as kubectl says it. */
export function age(time) {
  if (!time) return "";
  const seconds = Math.max(0, Math.floor((Date.now() - new Date(time)) / 1000));
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)}${unit}`;
  }
  return `${seconds}s`;
}
