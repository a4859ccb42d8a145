// The two charts beside the plane, as the board's charts take them.

import { number } from "../shared/protocol.js";

const LABELS = { first: "p₁", second: "p₂", weight: "α" };

function block(rows) {
  const values = new Float32Array(rows.length * rows[0].length);
  rows.forEach((row, i) => values.set(row, i * row.length));
  values.shape = [rows.length, rows[0].length];
  return values;
}

/**
 * @param {{head: object, blocks: object}} packet
 * @param {Float64Array[]} paths rows x₁, x₂, gap of every trajectory
 * @param {number[]} steps how far each of them is seen
 */
export function chartsOf({ head, blocks }, paths, steps) {
  const out = { head: { run: head.run, state: "done", plotly: head.plotly, charts: [] }, blocks: {} };
  const add = (chart, lines) => {
    const i = out.head.charts.push({ note: "", formula: "", sentence: "", equal: false, ...chart, series: lines.map(([name, role, style]) => [name, role, style]) }) - 1;
    lines.forEach((line, j) => { out.blocks[`series:${i}:${j}`] = line[3]; });
  };
  add({
    key: "residual", title: "Fixed-point residual", note: head.kappa === null ? "no contraction certified" : `κ = ${number(head.kappa)}`,
    formula: head.kappa === null ? "‖T(x_k) − x_k‖" : "‖T(x_k) − x_k‖ ≤ κᵏ ‖T(x₀) − x₀‖",
    sentence: head.kappa === null ? "Residual of every trajectory." : "Residual of every trajectory; that of the last start is never above the dashed certified bound.", x: ["iteration k", false, null, null], y: ["‖T(x) − x‖", true, null, null],
  }, residuals(head, paths, steps));
  add(sweepChart(head), sweepLines(head, blocks));
  return out;
}

function residuals(head, paths, steps) {
  const lines = paths.map((rows, i) => {
    const k = Array.from({ length: steps[i] + 1 }, (_, j) => j);
    return [`start ${i + 1}`, `start-${(i % 6) + 1}`, steps[i] ? "line" : "points", block([k, k.map((j) => rows[3 * j + 2])])];
  });
  const last = paths.at(-1);
  if (head.kappa !== null && last?.length) {
    const k = Array.from({ length: last.length / 3 }, (_, j) => j);
    lines.push([`bound of start ${paths.length}`, "predicted", "dashed", block([k, k.map((j) => head.kappa ** j * last[2])])]);
  }
  return lines.length ? lines : [["no trajectory yet", "iterate", "points", block([[], []])]];
}

function sweepChart(head) {
  const name = LABELS[head.sweep];
  const coordinate = head.coordinate === 0 ? "x₁" : "x₂";
  const several = head.fixed.length > 1 ? "several for every value, and the starting point decides" : "unique for every value";
  const many = head.folds ? "between two folds there are several, and continuation forward and backward differ: hysteresis" : several;
  return {
    key: "sweep", title: `Parameter continuation in ${name}`, formula: "A*(Ax − y) + αR(x) = 0, y = Ap", sentence: `Every equilibrium against ${name}: ${many}.`,
    x: [name, head.sweep === "weight", null, null], y: [coordinate, false, -head.reach, head.reach],
  };
}

function sweepLines(head, blocks) {
  const now = { first: head.point[0], second: head.point[1], weight: head.weight }[head.sweep];
  return [
    ["unstable", "error", "points", blocks.other],
    ["stable", "iterate", "points", blocks.attracting],
    ["continuation forward", "start-3", "line", blocks.up],
    ["continuation backward", "measured", "dashed", blocks.down],
    ["current value", "truth", "dotted", block([[now, now], [-head.reach, head.reach]])],
  ].filter(([, , , values]) => values.shape[1] > 0);
}
