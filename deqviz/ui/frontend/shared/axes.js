// The axes of all charts: their range, where their ticks stand, and how these read. Pure functions.

import { fixed, power } from "./protocol.js";

const ROOM = 0.05; // beyond the data, as a share of them
const MOST = 6; // ticks of an axis, where there is place
const LETTER = 7; // pixels of a digit
const EDGE = 14; // pixels at the right of every plot
const FLAT = 1e-6; // relative differences below are rounding: the numbers come in single precision

/** What an axis cannot show leaves a gap: no number, and on a logarithmic axis zero. */
export const shown = (values, log) => Array.from(values, (v) => (Number.isFinite(v) && (!log || v > 0) ? v : null));

/** The pixels of both axes in a frame, in large steps: not every pixel of a window asks for other ticks. */
export function lengths({ clientWidth, clientHeight }) {
  const [x, y] = [40 * Math.floor((clientWidth - 70) / 40), 20 * Math.floor((clientHeight - 60) / 20)];
  return { x: Math.max(x, 40), y: Math.max(y, 40) };
}

/** Plotly reads names and titles as markup; x_k and 10^{p} become its sub- and superscripts. */
export function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll(/_\{([^}]*)\}/g, "<sub>$1</sub>").replaceAll(/\^\{([^}]*)\}/g, "<sup>$1</sup>");
}

/**
 * The range as Plotly has it, in decades on a logarithmic axis; null where there is nothing to show.
 * @param {{log?: boolean, low?: number|null, high?: number|null}} ends null where the data decide
 * @param {Array<ArrayLike<number|null>>} columns
 */
export function extent({ log = false, low = null, high = null }, columns) {
  const scale = (v) => (v === null ? NaN : log ? Math.log10(v) : v);
  let [least, most] = [Infinity, -Infinity];
  for (const column of columns) {
    for (const value of column) {
      const v = scale(value);
      if (Number.isFinite(v)) [least, most] = [Math.min(least, v), Math.max(most, v)];
    }
  }
  if (low !== null && high !== null) return [scale(low), scale(high)];
  if (least > most) return null;
  const bottom = low === null ? Math.min(least, high === null ? most : scale(high)) : scale(low);
  const top = high === null ? Math.max(most, bottom) : scale(high);
  const size = log ? 1 : Math.max(Math.abs(bottom), Math.abs(top));
  const room = top - bottom > FLAT * size ? ROOM * (top - bottom) : log ? 0.3 : 0.1 * size || 1;
  return [low === null ? bottom - room : bottom, high === null ? top + room : top];
}

/**
 * An axis of Plotly. Without anything to show it has no numbers: they would be anybody's.
 * @param {object} look
 * @param {string} title
 * @param {{log?: boolean, low?: number|null, high?: number|null, isNominal?: boolean, zoom?: number[], length: number, across?: boolean}} place
 *   `length` in pixels, `zoom` the range that a person chose; places that only tell things apart have no numbers
 * @param {Array<ArrayLike<number|null>>} columns
 */
export function axis(look, title, place, columns) {
  const { log = false, zoom, across = false } = place;
  const range = zoom ?? extent(place, columns);
  const base = {
    title: { text: escaped(title), standoff: 6, font: { size: 12 } }, type: log ? "log" : "linear", automargin: true, fixedrange: false,
    gridcolor: look.grid, linecolor: look.line, zeroline: false, tickfont: { size: 12 }, minor: { showgrid: false }, exponentformat: "power",
  };
  if (across) Object.assign(base, { tickangle: 0, hoverformat: log ? "" : ".4~g", spikethickness: 1, spikedash: "solid", spikecolor: look.mute });
  if (!range) return { ...base, showticklabels: false, showgrid: false };
  if (place.isNominal) return { ...base, range: [...range], autorange: false, showticklabels: false, showgrid: false };
  const isWhole = columns.every((column) => Array.prototype.every.call(column, (v) => v === null || Number.isInteger(v)));
  return { ...base, range: [...range], autorange: false, tickmode: "array", ...ticks(range, { ...place, isWhole }) };
}

/** The most ticks whose texts do not touch each other. */
export function ticks([low, high], { log = false, length, across = false, isWhole = false }) {
  const at = (v) => (((log ? Math.log10(v) : v) - low) / (high - low)) * length;
  const inside = (v) => at(v) >= -1e-6 * length && at(v) <= length * (1 + 1e-6);
  let best = null;
  if (!(high > low)) return { tickvals: [], ticktext: [] };
  for (const [values, step] of log ? logarithmic(low, high, isWhole) : linear(low, high, isWhole)) {
    const within = values.filter(inside);
    const texts = words(within, step);
    // Plotly hides a text that would leave the frame.
    const seen = across ? within.filter((v, i) => at(v) + (LETTER / 2) * texts[i].length <= length + EDGE) : within;
    if (seen.length < 2 && best) continue;
    best = { tickvals: values, ticktext: words(values, step, within) };
    if (seen.length > 1 && fit(within.map(at), texts, across)) break;
  }
  return best ?? { tickvals: [], ticktext: [] };
}

/** Steps of 1, 2 or 5 times a power of ten, the shortest first; beyond the range too, for charts of equal scales grow. */
function* linear(low, high, isWhole) {
  const span = high - low;
  const first = Math.floor(Math.log10(span / MOST));
  for (let i = 0; i < 12; i++) {
    const step = [1, 2, 5][i % 3] * 10 ** (first + Math.floor(i / 3));
    if (span / step > MOST || (isWhole && step < 1)) continue;
    const from = Math.ceil((low - span) / step);
    yield [Array.from({ length: Math.floor((high + span) / step) - from + 1 }, (_, j) => (from + j) * step), step];
  }
}

/** Below a decade as on a linear axis, below three of them parts of decades, above whole ones. */
function* logarithmic(low, high, isWhole) {
  const span = high - low;
  if (span < 1) for (const [values, step] of linear(10 ** low, 10 ** high, isWhole)) yield [values.filter((v) => v > 0), step];
  const decades = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => Math.floor(low) + i);
  for (const parts of span < 3 ? [[1, 2, 5], [1, 3]].slice(span > 1.7) : []) yield [decades.flatMap((d) => parts.map((part) => part * 10 ** d)), null];
  for (let every = Math.max(1, Math.ceil(span / MOST)); every <= Math.max(1, span); every++) {
    yield [decades.filter((d) => d % every === 0).map((d) => 10 ** d), null];
  }
}

/** Numbers as the page writes them; as many digits as tell ticks apart that are `step` from each other. */
function words(values, step, judged = values) {
  const sizes = judged.map(Math.abs).filter((v) => v > 0);
  const largest = Math.max(...sizes);
  const isPlain = largest < 1e5 && (step ? largest : Math.min(...sizes)) >= 1e-3 * (1 - 1e-9);
  const last = step ? decade(step) : null;
  return values.map((v) => {
    if (v === 0) return "0";
    const e = decade(v);
    if (isPlain || (!step && e >= 0 && e < 2)) return fixed(v, Math.max(0, -(last ?? e)));
    const mantissa = fixed(v / 10 ** e, step ? Math.max(0, e - last) : 0);
    return `${mantissa === "1" ? "" : `${mantissa}·`}${power(e)}`;
  });
}

/** The exponent of a number's first digit; of what is 10 to rounding it is 1. */
const decade = (v) => (v === 0 ? 0 : Math.floor(Math.log10(Math.abs(v)) + 1e-9));

function fit(places, texts, across) {
  const widths = texts.map((text) => (across ? LETTER * text.length + 8 : 18));
  return places.every((place, i) => !i || Math.abs(place - places[i - 1]) >= (widths[i] + widths[i - 1]) / 2);
}
