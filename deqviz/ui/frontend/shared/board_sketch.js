// The first look at a chart: its points where they will stand, drawn while plotly.js is still being read.

import { extent } from "./axes.js";
import { MARGIN, colourOf, faded } from "./board_figures.js";
import { svg } from "./dom.js";

/**
 * The lines of a chart without axes or ticks; null as long as there is no point.
 * @param {object} chart its entry in the packet's head
 * @param {Uint8Array[][]} lines the rows of every line
 * @param {object} look
 * @param {number} width
 * @param {number} height
 * @returns {SVGElement|null}
 */
export function sketch(chart, lines, look, width, height) {
  const x = placing(chart.x, lines.map(([xs]) => xs), MARGIN.l, width - MARGIN.r);
  const y = placing(chart.y, lines.flatMap(([, ...ys]) => ys), height - MARGIN.b, MARGIN.t);
  if (!x || !y) return null;
  const parts = chart.series.flatMap(([, role, style], i) => {
    const [xs, ys, low] = lines[i];
    const points = pointsOf(x, y, xs, ys);
    const colour = colourOf(look, role);
    if (style === "band") return [area(points, pointsOf(x, y, xs, low), colour)];
    return [...(style === "points" ? [] : [stroke(points, colour, style)]), ...(/points|both/.test(style) ? points.map((at) => dot(at, colour)) : [])];
  });
  return svg(width, height, parts);
}

/** From a value to its pixel on an axis, over its range; null without values. */
function placing([, log, low, high], columns, from, to) {
  const range = columns.some((column) => column.length) ? extent({ log, low, high }, columns) : null;
  if (!range) return null;
  return (v) => from + (((log ? Math.log10(v) : v) - range[0]) / (range[1] - range[0])) * (to - from);
}

function pointsOf(x, y, xs, ys) {
  return Array.from(xs, (v, i) => [x(v), y(ys[i])]).filter((at) => at.every(Number.isFinite));
}

const path = (points) => points.map(([u, v]) => `${u.toFixed(1)} ${v.toFixed(1)}`).join("L");

function stroke(points, colour, style) {
  const dash = { dashed: "9 9", dotted: "3 3" }[style] ?? "none";
  return ["path", { d: points.length ? `M${path(points)}` : "", fill: "none", stroke: colour, "stroke-width": dash === "none" ? 2.2 : 1.7, "stroke-dasharray": dash }];
}

function area(upper, lower, colour) {
  const edge = [...upper, ...lower.reverse()];
  return ["path", { d: edge.length ? `M${path(edge)}Z` : "", fill: faded(colour), stroke: colour, "stroke-width": 0.8 }];
}

const dot = ([cx, cy], fill) => ["circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 3, fill }];
