// Shapes of the plane as SVG paths: pure functions of numbers. The plane's unit is mapped to a square of SIZE.

export const SIZE = 640;

/** From plane coordinates to the square, and back. */
export function scaleOf(reach) {
  const unit = SIZE / (2 * reach);
  return {
    unit,
    x: (a) => (a + reach) * unit,
    y: (b) => (reach - b) * unit,
    back: (px, py) => [px / unit - reach, reach - py / unit],
  };
}

const short = (v) => v.toFixed(1);

/**
 * One needle per node, pointing where the flow goes; longer where it is faster, and never longer than a cell.
 * @param {Float32Array} field n × n × 2, row by row from below
 * @param {number} n
 * @param {[number, number]} shift what is added to every vector since the field was computed
 * @param {object} scale
 */
export function needles(field, n, shift, scale) {
  const cell = SIZE / (n - 1);
  const speeds = Array.from({ length: n * n }, (_, i) => Math.hypot(field[2 * i] + shift[0], field[2 * i + 1] + shift[1]));
  const middle = [...speeds].sort((a, b) => a - b)[(n * n) >> 1] || 1;
  let path = "";
  for (let row = 1; row < n - 1; row++) {
    for (let column = 1; column < n - 1; column++) {
      const i = row * n + column;
      const speed = speeds[i];
      if (speed < 1e-9) continue;
      const length = cell * (0.34 + 0.62 * (speed / (speed + 0.7 * middle)));
      const u = (field[2 * i] + shift[0]) / speed;
      const v = -(field[2 * i + 1] + shift[1]) / speed; // downwards on the screen
      const x = column * cell;
      const y = SIZE - row * cell;
      const [tx, ty] = [x + (u * length) / 2, y + (v * length) / 2];
      const [bx, by] = [x - (u * length) / 2, y - (v * length) / 2];
      const w = 1.7;
      path += `M${short(tx)} ${short(ty)}L${short(bx - v * w)} ${short(by + u * w)}L${short(bx + v * w)} ${short(by - u * w)}Z`;
    }
  }
  return path;
}

/** Heights of level sets: closer together near the bottom, where the equilibria are. */
export function heights(values, count = 15) {
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return Array.from({ length: count }, (_, i) => low + (high - low) * ((i + 0.6) / count) ** 2.6);
}

/**
 * Level sets by marching squares.
 * @param {Float32Array} values m × m, row by row from below
 * @param {number} m
 * @param {number[]} levels
 */
export function contours(values, m, levels) {
  const cell = SIZE / (m - 1);
  let path = "";
  for (let row = 0; row < m - 1; row++) {
    for (let column = 0; column < m - 1; column++) {
      const i = row * m + column;
      const corners = [values[i], values[i + 1], values[i + m + 1], values[i + m]];
      const low = Math.min(...corners);
      const high = Math.max(...corners);
      for (const level of levels) if (level > low && level <= high) path += crossing(corners, level, column, row, cell);
    }
  }
  return path;
}

const EDGES = [[0, 1], [1, 2], [3, 2], [0, 3]];
const PLACES = [[0, 0], [1, 0], [1, 1], [0, 1]];

function crossing(corners, level, column, row, cell) {
  const cut = [];
  for (const [a, b] of EDGES) {
    if ((corners[a] < level) === (corners[b] < level)) continue;
    const t = (level - corners[a]) / (corners[b] - corners[a]);
    const [ax, ay] = PLACES[a];
    const [bx, by] = PLACES[b];
    cut.push([(column + ax + t * (bx - ax)) * cell, SIZE - (row + ay + t * (by - ay)) * cell]);
  }
  let path = "";
  for (let i = 0; i + 1 < cut.length; i += 2) {
    path += `M${short(cut[i][0])} ${short(cut[i][1])}L${short(cut[i + 1][0])} ${short(cut[i + 1][1])}`;
  }
  return path;
}

/** The energy after its data moved: −⟨A*Δy, x⟩ is added, a constant is left out. */
export function shifted(energy, m, reach, shift) {
  if (!shift[0] && !shift[1]) return energy;
  const out = new Float32Array(energy.length);
  const step = (2 * reach) / (m - 1);
  for (let row = 0; row < m; row++) {
    const b = row * step - reach;
    for (let column = 0; column < m; column++) {
      const i = row * m + column;
      out[i] = energy[i] - shift[0] * (column * step - reach) - shift[1] * b;
    }
  }
  return out;
}

/** A line through a point in a direction, across the whole window. */
export function line([a, b], degrees, scale) {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const far = 20;
  return `M${short(scale.x(a - far * c))} ${short(scale.y(b - far * s))}L${short(scale.x(a + far * c))} ${short(scale.y(b + far * s))}`;
}

/** The points x with ‖A(x − p)‖ = radius, for two singular values along axes at `degrees`. */
export function ellipse([a, b], [first, second], degrees, radius, scale) {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const points = Array.from({ length: 97 }, (_, i) => {
    const t = (i * Math.PI) / 48;
    const [u, v] = [(radius * Math.cos(t)) / first, (radius * Math.sin(t)) / second];
    return `${short(scale.x(a + c * u - s * v))} ${short(scale.y(b + s * u + c * v))}`;
  });
  return `M${points.join("L")}Z`;
}

/** A polyline through the first `count` points of rows x₁, x₂, gap; stops at what is far outside. */
export function track(rows, count, scale) {
  let path = "";
  for (let k = 0; k < count; k++) {
    const [px, py] = [scale.x(rows[3 * k]), scale.y(rows[3 * k + 1])];
    path += `${k ? "L" : "M"}${short(clamp(px))} ${short(clamp(py))}`;
    if (clamp(px) !== px || clamp(py) !== py) break;
  }
  return path;
}

const clamp = (v) => Math.min(20 * SIZE, Math.max(-20 * SIZE, v));

/** Trajectories as a table: one line per iterate. */
export function trajectoryTable(paths) {
  const lines = ["start,k,x1,x2,gap"];
  paths.forEach((rows, i) => {
    for (let k = 0; 3 * k < rows.length; k++) lines.push([i + 1, k, rows[3 * k], rows[3 * k + 1], rows[3 * k + 2]].join(","));
  });
  return `${lines.join("\n")}\n`;
}
