// The three charts as Plotly figures: pure functions of the data and the look.

import { axis, escaped, shown } from "./axes.js";
import { finer, horizon } from "./protocol.js";

/** The mark of the i-th of several lines: colour is never the only difference. */
export const symbolOf = (i) => SYMBOLS[i % SYMBOLS.length];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];

function base(look, run) {
  return {
    autosize: true,
    uirevision: run,
    margin: { l: 54, r: 14, t: 10, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.font, size: 12, color: look.mute },
    hovermode: "x unified",
    hoverdistance: -1,
    hoverlabel: { bgcolor: look.panel, bordercolor: look.line, font: { family: look.font, size: 12, color: look.text } },
    showlegend: true,
    dragmode: "zoom",
  };
}

/** The legend stands above the plot, where no line can be under it. */
function above(layout, look) {
  layout.margin.t = 30;
  layout.legend = {
    x: 0, y: 1.01, xanchor: "left", yanchor: "bottom", orientation: "h", entrywidth: 0, font: { size: 12, color: look.mute },
    bgcolor: "rgba(0,0,0,0)", itemclick: false, itemdoubleclick: false,
  };
}

/** What hovering says of each value. */
const texts = (values) => Array.from(values, finer);

function kAxis(look, view, { length, zoom }) {
  const k = view.columns.k ?? [];
  const end = horizon(k.length ? k[k.length - 1] : 0, view.head.k_max);
  const ends = k.length ? { low: -0.02 * end, high: 1.02 * end } : {};
  return { ...axis(look, "iteration k", { ...ends, length: length.x, zoom: zoom?.x, across: true }, [k]), unifiedhovertitle: { text: "k = %{x}" } };
}

/**
 * Residual against k with its certified bound.
 * @param {object} view
 * @param {object} look
 * @param {{length: {x: number, y: number}, zoom: {x: number[], y: number[]}|null}} room pixels, and the ranges that a person chose
 */
export function residualFigure(view, look, room) {
  const { k = [], residual = [], predicted, predicted_k: pk = k } = view.columns;
  const x = kAxis(look, view, room);
  const line = shown(residual, true);
  const traces = [];
  if (predicted?.length) {
    const seen = Array.from(pk).filter((v) => v <= (x.range?.[1] ?? Infinity)).length;
    const bound = shown(predicted.slice(0, Math.min(predicted.length, seen + 1)), true);
    traces.push({
      x: Array.from(pk).slice(0, bound.length), y: bound, name: "certified bound", mode: "lines",
      line: { color: look.predicted, width: 1.6, dash: "dash" }, text: texts(bound), hovertemplate: "%{text}",
    });
  }
  traces.push({
    x: Array.from(k), y: line, name: "value", mode: line.length < 2 ? "markers" : "lines",
    line: { color: look.iterate, width: 2.2 }, text: texts(line), hovertemplate: "%{text}",
  });
  const layout = base(look, view.head.run);
  layout.xaxis = x;
  layout.yaxis = axis(look, "residual", { log: true, length: room.length.y, zoom: room.zoom?.y }, traces.map((t) => t.y));
  above(layout, look);
  return { traces, layout, table: [["k", k], ["residual", residual], ["predicted_k", predicted ? pk : []], ["predicted", predicted ?? []]] };
}

/** One of the quality curves against k, with its baseline. */
export function qualityFigure(view, look, curve, room) {
  const layout = base(look, view.head.run);
  layout.xaxis = kAxis(look, view, room);
  if (!curve) return { traces: [], layout, table: [] };
  const [column, label, title, xName, log, baseline, baselineLabel] = curve;
  const x = view.columns[xName] ?? [];
  const raw = view.columns[column] ?? [];
  const y = shown(raw, log);
  const traces = [{
    x: Array.from(x), y, name: label, connectgaps: true, mode: y.length < 2 ? "markers" : "lines",
    line: { color: look.iterate, width: 2.2 }, text: texts(y), hovertemplate: "%{text}",
  }];
  if (baseline !== null && baseline !== undefined && layout.xaxis.range) {
    traces.push({
      x: layout.xaxis.range, y: [baseline, baseline], name: baselineLabel, mode: "lines", hoverinfo: "skip",
      line: { color: look.measured, width: 1.8, dash: "dot" },
    });
  }
  layout.yaxis = axis(look, title, { log, length: room.length.y, zoom: room.zoom?.y }, traces.map((t) => t.y));
  above(layout, look);
  return { traces, layout, table: [[xName, x], [column, raw]] };
}

/** The ways of the iterates over the shade of the residual. */
export function pathFigure(view, look, { zoom }) {
  const { trajectory } = view.head;
  const layout = base(look, view.head.run);
  Object.assign(layout, { hovermode: "closest", hoverdistance: 20, margin: { l: 14, r: 14, t: 30, b: 30 } });
  const plain = { showgrid: false, showticklabels: false, ticks: "", showline: false, zeroline: false };
  const title = { text: trajectory?.axis ?? "", standoff: 6, font: { size: 12 } };
  layout.xaxis = { ...plain, title, ...(zoom && { range: zoom.x, autorange: false }) };
  layout.yaxis = { ...plain, scaleanchor: "x", ...(zoom && { range: zoom.y, autorange: false }) };
  above(layout, look);
  if (!trajectory) return { traces: [], layout, table: [] };
  const traces = [];
  if (trajectory.shade) traces.push(shade(view.blocks, look));
  const table = [[], [], [], []];
  trajectory.paths.forEach((name, i) => {
    const [a, b, k] = thirds(view.blocks[`path:${i}`]);
    const color = look.starts[i % look.starts.length];
    traces.push({
      x: shown(a), y: shown(b), customdata: Array.from(k), name, mode: "lines+markers",
      line: { color, width: 1.8 }, marker: { color, size: 5, symbol: SYMBOLS[i % SYMBOLS.length], maxdisplayed: 40 },
      hovertemplate: `k = %{customdata}<extra>${escaped(name)}</extra>`,
    });
    for (let j = 0; j < a.length; j++) [name, k[j], a[j], b[j]].forEach((v, c) => table[c].push(v));
  });
  if (trajectory.limit) {
    traces.push({
      x: [trajectory.limit[0]], y: [trajectory.limit[1]], name: "limit", mode: "markers",
      marker: { symbol: "star", size: 12, color: look.text, line: { color: look.panel, width: 1 } }, hovertemplate: "limit<extra></extra>",
    });
  }
  return { traces, layout, table: [["start", table[0]], ["k", table[1]], ["a", table[2]], ["b", table[3]]] };
}

function shade(blocks, look) {
  const { "shade:a": a, "shade:b": b, "shade:z": z } = blocks;
  const rows = Array.from(b, (_, i) => shown(z.subarray(i * a.length, (i + 1) * a.length)));
  const edge = [...rows[0], ...rows.at(-1), ...rows.flatMap((row) => [row[0], row.at(-1)])].filter(Number.isFinite);
  const low = rows.flat().filter(Number.isFinite).reduce((a, v) => Math.min(a, v), Infinity);
  const high = edge.reduce((a, v) => Math.min(a, v), Infinity); // the shade fades out before its border
  return {
    ...(high > low ? { zmin: low, zmax: high, zauto: false, autocontour: false } : {}),
    type: "contour", x: Array.from(a), y: Array.from(b), z: rows, showscale: false, showlegend: false, ncontours: 9,
    colorscale: look.shade, line: { width: 0.6, color: look.line }, 
    contours: { coloring: "fill", showlines: true, ...(high > low ? { start: low, end: high, size: (high - low) / 8 } : {}) },
    hovertemplate: "residual 10<sup>%{z:.1f}</sup><extra></extra>",
  };
}

/** The three rows of a path: both coordinates and k. */
export function thirds(block) {
  const n = block.length / 3;
  return [block.subarray(0, n), block.subarray(n, 2 * n), block.subarray(2 * n)];
}
