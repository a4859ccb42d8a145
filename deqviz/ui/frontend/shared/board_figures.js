// A chart of the board as a Plotly figure: pure functions of the packet and the look.

import { svg } from "./dom.js";
import { finite, symbolOf } from "./figures.js";

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

/** What a logarithmic axis cannot show leaves a gap, as what is no number does. */
const shown = (values, log) => (log ? Array.from(values, (v) => (v > 0 && Number.isFinite(v) ? v : null)) : finite(values));

function axis(look, [title, log, low, high], lines) {
  const found = {
    title: { text: escaped(title), standoff: 6, font: { size: 12 } },
    gridcolor: look.grid, linecolor: look.line, zeroline: false, tickfont: { size: 12 }, fixedrange: false, automargin: true,
  };
  const place = (v) => (v === null ? null : log ? Math.log10(v) : v);
  if (low !== null || high !== null) {
    found.range = [place(low), place(high)];
    found.autorange = low === null ? "min" : high === null ? "max" : false;
  }
  // Before the first point the numbers of an axis would be anybody's.
  if (low === null && high === null && !lines.flat().some((v) => v !== null)) return { ...found, showticklabels: false };
  if (!log) return { ...found, nticks: 6, exponentformat: "power" };
  return { ...found, type: "log", exponentformat: "power", minor: { showgrid: false }, ...ticks(low, high, lines) };
}

/** Decades when there are several, plain ticks when there are not. */
function ticks(low, high, lines) {
  const values = lines.flat().filter((v) => v !== null);
  const top = high ?? values.reduce((a, v) => Math.max(a, v), 0);
  const bottom = low ?? values.reduce((a, v) => Math.min(a, v), Infinity);
  const decades = Math.log10(top / bottom);
  if (decades >= 1) return { dtick: Math.max(1, Math.ceil(decades / 6)) };
  // as many digits as it takes to tell two ticks apart
  const digits = decades > 0 ? Math.min(8, 2 + Math.ceil(-Math.log10(decades))) : 2;
  return { nticks: 5, tickformat: `.${digits}~g` };
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

function tracesOf(look, [name, role, style], [x, y, low], log) {
  const color = colourOf(look, role);
  const text = escaped(name);
  const line = { color, width: style === "dashed" || style === "dotted" ? 1.7 : 2.2, dash: DASHES[style] ?? "solid" };
  const one = {
    x, y, name: text, showlegend: name !== "", mode: { points: "markers", both: "lines+markers" }[style] ?? "lines", line, connectgaps: false,
    marker: { color, size: style === "points" ? 7.5 : 6, symbol: MARKS[role] ?? symbolOf(Number(role.at(-1)) - 1) },
    ...(name ? { hovertemplate: `%{y:${log ? ".3~e" : ".4~g"}}` } : { hoverinfo: "skip" }),
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
 * @returns {{traces: object[], layout: object}}
 */
export function boardFigure(chart, lines, look, run) {
  const [xLog, yLog] = [chart.x[1], chart.y[1]];
  const drawn = lines.map(([x, y, low]) => [shown(x, xLog), shown(y, yLog), low && shown(low, yLog)]);
  const traces = chart.series.flatMap((series, i) => tracesOf(look, series, drawn[i], yLog));
  const layout = layoutOf(look, run, chart);
  layout.xaxis = axis(look, chart.x, drawn.map(([x]) => x));
  layout.yaxis = axis(look, chart.y, drawn.flatMap(([, y, low]) => (low ? [y, low] : [y])));
  layout.xaxis.hoverformat = xLog ? ".3~e" : ".4~g";
  Object.assign(layout.xaxis, { spikethickness: 1, spikedash: "solid", spikecolor: look.mute });
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

/** Plotly reads names and titles as markup; x_k and 10^{p} become its sub- and superscripts. */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll(/_\{([^}]*)\}/g, "<sub>$1</sub>").replaceAll(/\^\{([^}]*)\}/g, "<sup>$1</sup>");
}
