// The mark of each method: colour, dash and shape, the same in panels, race and table.

import { svg } from "../shared/dom.js";
import { symbolOf } from "../shared/figures.js";

const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const STROKES = ["", "6 3", "2 3", "6 3 2 3", "10 4", "10 3 2 3"];
const SHAPES = [
  ["circle", { cx: 0, cy: 0, r: 4 }],
  ["path", { d: "M-3.6-3.6h7.2v7.2h-7.2z" }],
  ["path", { d: "M0-5L5 0 0 5-5 0z" }],
  ["path", { d: "M0-4.8L4.6 3.6H-4.6z" }],
  ["path", { d: "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z" }],
  ["path", { d: "M-4.2-2.4l1.8-1.8L0-1.8l2.4-2.4 1.8 1.8L1.8 0l2.4 2.4-1.8 1.8L0 1.8l-2.4 2.4-1.8-1.8L-1.8 0z" }],
];

/** Colour, dash and shape of method i as Plotly has them. */
export function traceOf(look, i) {
  const color = look.starts[i % look.starts.length];
  return { line: { color, width: 2, dash: DASHES[i % DASHES.length] }, marker: { color, size: 7, symbol: symbolOf(i) } };
}

/** The shape alone, for a caption and a cell; `index` counts the methods from 0. */
export function shapeOf(index) {
  const [tag, attributes] = SHAPES[index % SHAPES.length];
  const node = svg(12, 12, [[tag, { ...attributes, transform: "translate(6 6)", style: `fill: var(--dqv-start-${index + 1})` }]]);
  node.classList.add("dqv-shape");
  return node;
}

/** The line with its shape, for a legend. */
export function strokeOf(index) {
  const [tag, attributes] = SHAPES[index % SHAPES.length];
  const color = `var(--dqv-start-${index + 1})`;
  return svg(34, 12, [
    ["path", { d: "M0 6h34", style: `stroke: ${color}`, "stroke-width": 2, "stroke-dasharray": STROKES[index % STROKES.length], fill: "none" }],
    [tag, { ...attributes, transform: "translate(17 6)", style: `fill: ${color}` }],
  ]);
}
