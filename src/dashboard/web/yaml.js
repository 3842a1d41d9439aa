// Prints an object as YAML for reading.

const plain = /^[A-Za-z_/][\w./ -]*$/;
const reserved = /^(true|false|null|yes|no|on|off|~)$/i;

function scalar(value, indent) {
  if (typeof value !== "string") return JSON.stringify(value);
  if (value.includes("\n") && !/[\t\r]|^\s/.test(value)) {
    const end = value.endsWith("\n") ? "|" : "|-";
    return `${end}\n${value.replace(/\n$/, "").split("\n").map((line) => (line ? indent + line : "")).join("\n")}`;
  }
  return plain.test(value) && !reserved.test(value) && !value.endsWith(" ") ? value : JSON.stringify(value);
}

/** The YAML text of a value. */
export function yaml(value, indent = "") {
  const deeper = `${indent}  `;
  const isEmpty = (v) => v !== null && typeof v === "object" && Object.keys(v).length === 0;
  const inline = (v) => v === null || typeof v !== "object" || isEmpty(v);
  if (Array.isArray(value)) {
    return value.map((item) => `${indent}- ${inline(item) ? scalar(item, deeper) : yaml(item, deeper).trimStart()}`).join("\n");
  }
  if (inline(value)) return indent + scalar(value, deeper);
  return Object.entries(value).map(([key, item]) => {
    const name = plain.test(key) ? key : JSON.stringify(key);
    return `${indent}${name}:${inline(item) ? ` ${scalar(item, deeper)}` : `\n${yaml(item, deeper)}`}`;
  }).join("\n");
}
