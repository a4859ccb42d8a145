// Small helpers for building the page's own elements; text only ever goes in as text.

/**
 * An element with attributes and children; `class` is dash-free shorthand: every class gets the prefix dqv-.
 * @param {string} tag
 * @param {Object<string, string|number|boolean|null|Function>} [attributes] functions become listeners
 * @param {...(Node|string|null)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function set(node, name, value) {
  if (typeof value === "function") node.addEventListener(name, value);
  else if (name === "class") node.className = value.split(" ").map((c) => `dqv-${c}`).join(" ");
  else if (value === true) node.setAttribute(name, "");
  else if (value !== false && value !== null) node.setAttribute(name, value);
}

/** Set the text of an element only when it changes: no needless layout. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only when it changes. */
export function mark(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** What uses keys itself, or is covered by a dialog: our keys stay away from it. */
export const KEYED = "input, select, textarea, button, summary, [contenteditable]:not([contenteditable=false]), "
  + "[role=slider], [role=grid], [role=listbox], [role=menu], [role=radiogroup], [role=tablist], [role=dialog]";

const SVG = "http://www.w3.org/2000/svg";

/**
 * An icon of one path in a 16-unit box, drawn in the text's colour.
 * @param {string} d
 */
export function icon(d) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("dqv-icon");
  svg.setAttribute("fill-rule", "evenodd");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", d);
  svg.append(path);
  return svg;
}

export const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  step: "M3 2.8v10.4L10.2 8zM11 3h2v10h-2z",
  stop: "M3.5 3.5h9v9h-9z",
  reset: "M8 2.5a5.5 5.5 0 1 0 5.4 6.6h-1.6A4 4 0 1 1 8 4v2.4l4-3.2L8 0z",
  wipe: "M1 3h6v10H1zM7.4 1h1.2v14H7.4zM9 3h6v10H9zm1.2 1.2v7.6h3.6V4.2z",
};

/** A select with its options; `label` is for those who cannot see it. */
export function select(label, options, value, onchange) {
  const node = el("select", { "aria-label": label, title: label, class: "select", change: () => onchange(node.value) });
  for (const [key, text] of options) node.append(el("option", { value: key }, text));
  node.value = value;
  return node;
}

const LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋ₖₙₘᵢⱼ";
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵏⁿᵖᵀ";
const PLAIN = { [LOWERED]: "0123456789+−knmij", [RAISED]: "0123456789+−knpT" };
const MARKS = new RegExp(
  `([_^])(?:\\{([^}]*)\\}|\\(([^)]*)\\)|([\\wα-ωΑ-Ω]+|.))|([${LOWERED}]+)|([${RAISED}]+)|([^_^${LOWERED}${RAISED}]+)|.`, "gu");

/**
 * Formula text as nodes: x_k, κ^{k−1}, x₀ and κᵏ all get true sub- and superscripts of one look.
 * @param {string} text
 * @returns {Node[]}
 */
export function formula(text) {
  const flat = (run, alphabet) => [...run].map((c) => PLAIN[alphabet][[...alphabet].indexOf(c)]).join("");
  return [...text.matchAll(MARKS)].map(([whole, sign, braces, brackets, word, low, high]) => {
    if (sign) return el(sign === "_" ? "sub" : "sup", {}, braces ?? brackets ?? word);
    if (low) return el("sub", {}, flat(low, LOWERED));
    if (high) return el("sup", {}, flat(high, RAISED));
    return document.createTextNode(whole);
  });
}

/** A drawing of the given size from its parts [tag, attributes]; said by the words beside it. */
export function svg(width, height, parts) {
  const node = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" })) node.setAttribute(name, value);
  for (const [tag, attributes] of parts) {
    const part = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
    node.append(part);
  }
  return node;
}

/** Offer a text as a file. */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
