// The browser's half of protocol.py: packets in, text for numbers out. Nothing here touches the page.

/**
 * Read a packet: the JSON header and its blocks as typed arrays without a further copy.
 * @param {Uint8Array} bytes
 * @returns {{head: object, blocks: Object<string, Uint8Array|Float32Array>}}
 */
export function decode(bytes) {
  const buffer = bytes.slice().buffer; // own copy: aligned, and the websocket's message can go
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const base = 4 + length + ((4 - (length % 4)) % 4);
  const blocks = {};
  for (const [name, type, shape, offset] of head.blocks) {
    const count = shape.reduce((a, b) => a * b, 1);
    const Kind = type === "u8" ? Uint8Array : Float32Array;
    const values = new Kind(buffer, base + offset, count);
    values.shape = shape;
    blocks[name] = values;
  }
  return { head, blocks };
}

/**
 * The columns of a view by name.
 * @param {Object<string, Float32Array>} blocks
 * @returns {Object<string, Float32Array>}
 */
export function columnsOf(blocks) {
  const columns = {};
  for (const name of Object.keys(blocks)) if (name.startsWith("column:")) columns[name.slice(7)] = blocks[name];
  return columns;
}

/**
 * Index of the entry of an ascending array that is nearest to a value; -1 for an empty array.
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 */
export function nearest(sorted, value) {
  let low = 0;
  let high = sorted.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - sorted[low - 1] <= sorted[low] - value ? low - 1 : low;
}

/**
 * The entry of a column at iteration k, or null where the column is missing or not finite there.
 * @param {Object<string, Float32Array>} columns
 * @param {string} name
 * @param {number} k
 */
export function valueAt(columns, name, k) {
  const { k: ks, [name]: values } = columns;
  if (!ks || !values || values.length !== ks.length) return null;
  const value = values[nearest(ks, k)];
  return Number.isFinite(value) ? value : null;
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A power of ten: 10⁻⁵. @param {number} exponent */
export const power = (exponent) => `10${[...String(exponent)].map((c) => RAISED[c]).join("")}`;

/** So many decimals, with a minus and no hyphen. @param {number} value @param {number} digits */
export const fixed = (value, digits) => value.toFixed(digits).replace("-", "−");

/** A number the way the page and core/numbers.py write it: 0.812, 15.8, 8.4·10⁻⁵; an en dash for none. @param {number|null|undefined} value */
export const number = (value) => written(value, 3);

/** The same with a digit more for who points at it, and counts as they are. @param {number|null|undefined} value */
export const finer = (value) => (Number.isInteger(value) && Math.abs(value) < 1e5 ? String(value).replace("-", "−") : written(value, 4));

function written(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
  if (exponent >= -3 && exponent < 5) return fixed(value, Math.max(0, digits - 1 - exponent));
  const [mantissa, e] = value.toExponential(digits - 2).split("e");
  return `${mantissa.replace("-", "−")}·${power(Number(e))}`;
}

/** Decibels with two decimals. @param {number|null|undefined} value */
export function decibels(value) {
  return Number.isFinite(value ?? NaN) ? `${fixed(value, 2)} dB` : "";
}

/**
 * Columns of unequal length as CSV.
 * @param {Array<[string, ArrayLike<number|string>]>} columns
 */
export function csv(columns) {
  const rows = Math.max(0, ...columns.map(([, values]) => values.length));
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [columns.map(([name]) => quote(name)).join(",")];
  for (let i = 0; i < rows; i++) {
    lines.push(columns.map(([, values]) => (i < values.length ? quote(cell(values[i])) : "")).join(","));
  }
  return lines.join("\r\n") + "\r\n";
}

function cell(value) {
  if (typeof value !== "number") return String(value);
  return Number.isFinite(value) ? String(Number(value.toPrecision(8))) : "";
}

/**
 * A round number a little above k: axes grow in a few large steps instead of creeping.
 * @param {number} k
 * @param {number|null} limit the planned end, never passed while k has not passed it
 */
export function horizon(k, limit) {
  const wanted = Math.max(10, k * 1.08);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const round = [1, 1.5, 2, 3, 4, 6, 8, 10].map((s) => s * power).find((s) => s >= wanted);
  return limit && limit >= k ? Math.min(round, Math.max(limit, 1)) : round;
}
