// A chart of the board as a Plotly figure: pure functions of the packet and the look.

import { axis, escaped, shown } from "./axes.js";
import { svg } from "./dom.js";
import { symbolOf } from "./figures.js";
import { finer } from "./protocol.js";

const MARKS = { iterate: "circle", measured: "diamond", predicted: "cross", truth: "triangle-up", error: "square" };
const DASHES = { dashed: "dash", dotted: "dot" };

/** Pixels around the plot, where nothing longer needs more. */
export const MARGIN = { l: 52, r: 14, t: 8, b: 38 };

/** The colour of a role; starts are numbered. */
export function colourOf(look, role) {
  const start = /^start-(\d)$/.exec(role)?.[1];
  return start ? look.starts[start - 1] : look[role];
}

/** The rows of a line: x, y and, for a band, its lower edge. */
export function rowsOf(block) {
  const [rows, n] = block.shape;
  return Array.from({ length: rows }, (_, i) => block.subarray(i * n, (i + 1) * n));
}

function layoutOf(look, run, chart) {
  return {
    autosize: true, uirevision: run, margin: { ...MARGIN }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.font, size: 12, color: look.mute },
    hovermode: chart.equal ? "closest" : "x unified", hoverdistance: chart.equal ? 20 : -1,
    hoverlabel: { bgcolor: look.panel, bordercolor: look.line, font: { family: look.font, size: 12, color: look.text } },
    // the card has its own legend, which wraps and covers no line; a downloaded picture has this one
    showlegend: false, dragmode: "zoom",
    legend: { x: 1.02, y: 1, font: { size: 12, color: look.mute }, bgcolor: "rgba(0,0,0,0)" },
  };
}

function tracesOf(look, [name, role, style], [x, y, low]) {
  const color = colourOf(look, role);
  const text = escaped(name);
  const line = { color, width: style === "dashed" || style === "dotted" ? 1.7 : 2.2, dash: DASHES[style] ?? "solid" };
  const one = {
    x, y, name: text, showlegend: name !== "", mode: { points: "markers", both: "lines+markers" }[style] ?? "lines", line, connectgaps: false,
    marker: { color, size: style === "points" ? 7.5 : 6, symbol: MARKS[role] ?? symbolOf(Number(role.at(-1)) - 1) },
    ...(name ? { text: y.map(finer), hovertemplate: "%{text}" } : { hoverinfo: "skip" }),
  };
  // A line of one point would not be seen.
  if (one.mode === "lines" && y.filter((v) => v !== null).length === 1) one.mode = "markers";
  if (style !== "band") return [one];
  const edge = { x, y: low, mode: "lines", line: { width: 0.8, color }, hoverinfo: "skip", showlegend: false };
  const fill = { ...one, mode: "lines", line: { width: 0.8, color }, fill: "tonexty", fillcolor: faded(color) };
  return [edge, fill];
}

/**
 * @param {object} chart its entry in the packet's head
 * @param {Uint8Array[][]} lines the rows of every line
 * @param {object} look
 * @param {string} run
 * @param {{length: {x: number, y: number}, zoom: {x: number[], y: number[]}|null}} room pixels, and the ranges that a person chose
 * @returns {{traces: object[], layout: object}}
 */
export function boardFigure(chart, lines, look, run, { length, zoom }) {
  const [across, up] = [chart.x, chart.y].map(([title, log, low, high, isNominal]) => ({ title, log, low, high, isNominal }));
  const drawn = lines.map(([x, y, low]) => [shown(x, across.log), shown(y, up.log), low && shown(low, up.log)]);
  const traces = chart.series.flatMap((series, i) => tracesOf(look, series, drawn[i]));
  const layout = layoutOf(look, run, chart);
  layout.xaxis = axis(look, across.title, { ...across, length: length.x, zoom: zoom?.x, across: true }, drawn.map(([x]) => x));
  layout.yaxis = axis(look, up.title, { ...up, length: length.y, zoom: zoom?.y }, drawn.flatMap(([, y, low]) => (low ? [y, low] : [y])));
  if (chart.equal) layout.yaxis.scaleanchor = "x";
  return { traces, layout };
}

/** The columns of a chart's own table. */
export function tableOf(chart, lines) {
  return chart.series.flatMap(([name, , style], i) => {
    const [x, y, low] = lines[i];
    const edge = style === "band" ? [[`${name}: lower edge`, low]] : [];
    return [[`${name}: ${chart.x[0]}`, x], [`${name}: ${chart.y[0]}`, y], ...edge];
  });
}

/** The mark of a line for the legend: what its strokes and points look like, as an SVG of 26 by 10. */
export function swatch(look, role, style) {
  const colour = colourOf(look, role);
  const dash = { dashed: "5 3", dotted: "1.5 2.5" }[style] ?? "none";
  const symbol = MARKS[role] ?? symbolOf(Number(role.at(-1)) - 1);
  const parts = [];
  if (style === "band") parts.push(["rect", { x: 1, y: 1, width: 24, height: 8, fill: faded(colour), stroke: colour }]);
  else if (style !== "points") parts.push(["path", { d: "M1 5h24", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash, fill: "none" }]);
  if (style === "points" || style === "both") parts.push(["path", { d: SHAPES[symbol], fill: colour, stroke: colour }]);
  return svg(26, 10, parts);
}

const SHAPES = {
  circle: "M9.5 5a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", square: "M10 2h6v6h-6z", diamond: "M13 1l4 4-4 4-4-4z",
  "triangle-up": "M13 1.5l4 7h-8z", cross: "M12 1h2v3h3v2h-3v3h-2v-3h-3v-2h3z", x: "M10 3l1.2-1.2 1.8 1.8 1.8-1.8L16 3 14.2 5 16 7l-1.2 1.2L13 6.4l-1.8 1.8L10 7l1.8-2z",
};

/** The colour as a ground that lets the grid through. */
export function faded(colour) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return `rgba(${r}, ${g}, ${b}, 0.16)`;
}
