// The square: field, level sets, what A sees, equilibria, trajectories; and the hand that moves in it.

import { download, el, mark, say } from "../shared/dom.js";
import { fixed } from "../shared/protocol.js";
import { SIZE, contours, ellipse, heights, line, needles, scaleOf, shifted, track } from "./marks.js";

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 14; // pixels within which a start is taken hold of instead of a new one being made
const DOTS = 90; // iterates that get a dot of their own

function draw(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

export class Plane {
  /** @param {object} on what to call: point(p, resting), start(p), moveStart(i, p, resting), drop() */
  constructor(on) {
    this.on = on;
    this.svg = draw("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, xmlns: SVG, "aria-hidden": "true" });
    this.layers = {};
    for (const name of ["back", "grid", "levels", "field", "kernel", "seen", "paths", "fixed", "data", "cursor"]) {
      this.layers[name] = draw("g");
      this.svg.append(this.layers[name]);
    }
    this.handle = el("button", {
      class: "hand", type: "button", pointerdown: (e) => this.grab(e, "data"), keydown: (e) => this.keyData(e),
    });
    this.surface = el("div", {
      class: "surface", tabindex: 0, role: "application", "aria-roledescription": "plane",
      pointerdown: (e) => this.grab(e, "plane"), keydown: (e) => this.keyPlane(e),
      focus: () => this.drawCursor(), blur: () => this.drawCursor(),
    }, this.svg);
    this.told = el("p", { class: "told", role: "status", "aria-live": "polite" });
    this.node = el("div", { class: "square" }, this.surface, this.handle, this.told);
    this.cursor = [0, 0];
    this.resting = 0;
  }

  /**
   * @param {object} now head, blocks, look, point (where the hand has the data), starts, paths (rows), shown (steps)
   */
  update(now) {
    this.now = now;
    this.scale = scaleOf(now.head.reach);
    const [p, q, r] = now.head.gram;
    const by = [now.point[0] - now.head.point[0], now.point[1] - now.head.point[1]];
    // A*(y − y₀): all that the data change in the field and in the slope of the energy
    this.shift = [p * by[0] + q * by[1], q * by[0] + r * by[1]];
    this.by = by;
    this.drawBack();
    this.drawField();
    this.drawSeen();
    this.drawFixed();
    this.drawPaths();
    this.drawData();
    this.drawCursor();
  }

  /** Trajectories alone, for the animation. */
  animate(shown) {
    this.now.shown = shown;
    this.drawPaths();
  }

  drawBack() {
    const { look, head } = this.now;
    const key = `${look.id} ${head.reach}`;
    if (this.backed === key) return;
    this.backed = key;
    mark(this.svg, "font-family", look.font);
    this.layers.back.replaceChildren(draw("rect", { width: SIZE, height: SIZE, fill: look.panel }));
    const nodes = [];
    for (let v = 1 - head.reach; v < head.reach; v++) {
      const [x, y] = [this.scale.x(v), this.scale.y(v)];
      const width = v === 0 ? 1.4 : 0.8;
      nodes.push(draw("path", { d: `M${x} 0V${SIZE}M0 ${y}H${SIZE}`, stroke: look.grid, "stroke-width": width }));
      const label = { fill: look.mute, "font-size": 13 };
      nodes.push(draw("text", { ...label, x: x + 3, y: SIZE - 5 }, String(v).replace("-", "−")));
      if (v) nodes.push(draw("text", { ...label, x: 4, y: y - 4 }, String(v).replace("-", "−")));
    }
    const name = { fill: look.mute, "font-size": 13, "font-style": "italic" };
    nodes.push(draw("text", { ...name, x: SIZE - 18, y: SIZE - 6 }, "x₁"), draw("text", { ...name, x: 5, y: 14 }, "x₂"));
    this.layers.grid.replaceChildren(...nodes);
  }

  drawField() {
    const { head, blocks, look } = this.now;
    const key = `${look.id} ${this.shift}`;
    if (this.fielded === key && this.fieldBlock === blocks.field) return;
    this.fielded = key;
    this.fieldBlock = blocks.field;
    const n = blocks.field.shape[0];
    const arrows = draw("path", { d: needles(blocks.field, n, this.shift, this.scale), fill: look.mute, "fill-opacity": 0.62 });
    this.layers.field.replaceChildren(arrows);
    if (!blocks.energy) return this.layers.levels.replaceChildren();
    const m = blocks.energy.shape[0];
    const energy = shifted(blocks.energy, m, head.reach, this.shift);
    const d = contours(energy, m, heights(energy));
    this.layers.levels.replaceChildren(draw("path", { d, fill: "none", stroke: look.truth, "stroke-width": 1, "stroke-opacity": 0.5 }));
  }

  drawSeen() {
    const { head, look, point } = this.now;
    const across = head.angle + 90;
    if (head.rows === 2) {
      const d = ellipse(point, head.singular, head.angle, 0.5, this.scale);
      this.layers.kernel.replaceChildren();
      this.layers.seen.replaceChildren(draw("path", { d, fill: "none", stroke: look.measured, "stroke-width": 1.6, "stroke-dasharray": "6 4" }));
      return;
    }
    const radians = (across * Math.PI) / 180;
    const at = (base, t, text, fill) => {
      const [x, y] = [this.scale.x(base[0] + t * Math.cos(radians)), this.scale.y(base[1] + t * Math.sin(radians))];
      const right = x > SIZE - 64;
      return draw("text", {
        x: right ? x - 7 : x + 7, y: y + 4, "text-anchor": right ? "end" : "start", fill, "font-size": 13,
        stroke: look.panel, "stroke-width": 4, "paint-order": "stroke", "font-style": "italic",
      }, text);
    };
    this.layers.kernel.replaceChildren(
      draw("path", { d: line([0, 0], across, this.scale), stroke: look.truth, "stroke-width": 1.6, "stroke-dasharray": "2 5" }),
      at([0, 0], -2.6, "ker A", look.mute));
    this.layers.seen.replaceChildren(
      draw("path", { d: line(point, across, this.scale), stroke: look.measured, "stroke-width": 1.8, "stroke-dasharray": "7 5" }),
      at(foot(point, head.angle), -2.6, "Ax = y", look.measured));
  }

  drawFixed() {
    const { head, look } = this.now;
    this.layers.fixed.replaceChildren(...head.fixed.flatMap(([a, b, flow, attracts, , , [p, q, r, s]]) => {
      // to first order where the data have moved since; the next packet brings the place itself
      const [u, v] = this.by;
      const [x, y] = [this.scale.x(a + p * u + q * v), this.scale.y(b + r * u + s * v)];
      const halo = { stroke: look.panel, "stroke-width": 4, "paint-order": "stroke" };
      const line = { stroke: look.text, "stroke-width": 2.4 };
      const shape = flow === "saddle"
        ? draw("path", { d: `M${x - 6} ${y - 6}L${x + 6} ${y + 6}M${x - 6} ${y + 6}L${x + 6} ${y - 6}`, ...line })
        : draw("circle", { cx: x, cy: y, r: 6.5, fill: attracts ? look.text : look.panel, ...line });
      const right = x > SIZE - 150;
      const words = draw("text", {
        x: right ? x - 13 : x + 13, y: y < 24 ? y + 20 : y - 9, "text-anchor": right ? "end" : "start", fill: look.text, "font-size": 14,
        "font-weight": 600, ...halo,
      }, wordsOf(flow, attracts));
      return [draw("circle", { cx: x, cy: y, r: 10, fill: look.panel, "fill-opacity": 0.8 }), shape, words];
    }));
  }

  drawPaths() {
    const { look, paths, starts, shown } = this.now;
    this.layers.paths.replaceChildren(...paths.flatMap((rows, i) => {
      const length = rows.length / 3;
      const count = Math.min(length, (shown[i] ?? Infinity) + 1);
      const colour = look.starts[i % look.starts.length];
      const nodes = [
        draw("path", { d: track(rows, length, this.scale), fill: "none", stroke: colour, "stroke-width": 1.2, "stroke-opacity": 0.28 }),
        draw("path", { d: track(rows, count, this.scale), fill: "none", stroke: colour, "stroke-width": 2, "stroke-linejoin": "round" }),
      ];
      for (let k = 1; k < Math.min(count, DOTS); k++) {
        const [x, y] = [this.scale.x(rows[3 * k]), this.scale.y(rows[3 * k + 1])];
        if (inside(x, y)) nodes.push(draw("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6, fill: colour }));
      }
      const last = 3 * (count - 1);
      const [x, y] = [this.scale.x(rows[last]), this.scale.y(rows[last + 1])];
      if (count > 1 && inside(x, y)) nodes.push(draw("circle", { cx: x, cy: y, r: 5, fill: colour, stroke: look.panel, "stroke-width": 1.6 }));
      const at = starts[i] ?? [rows[0], rows[1]];
      nodes.push(...badge(this.scale.x(at[0]), this.scale.y(at[1]), String(i + 1), colour, look));
      return nodes;
    }));
  }

  drawData() {
    const { look, point } = this.now;
    const [x, y] = [this.scale.x(point[0]), this.scale.y(point[1])];
    // above the point where the words of an equilibrium would lie in the way
    const near = this.now.head.fixed.some(([a, b]) => Math.abs(this.scale.x(a) - x) < 150 && this.scale.y(b) - y > -14 && this.scale.y(b) - y < 60);
    const low = near || y > SIZE - 34;
    this.layers.data.replaceChildren(
      draw("circle", { cx: x, cy: y, r: 9.5, fill: look.panel, stroke: look.measured, "stroke-width": 3 }),
      draw("path", { d: `M${x - 4} ${y}h8M${x} ${y - 4}v8`, stroke: look.measured, "stroke-width": 2 }),
      draw("text", {
        x: x > SIZE - 70 ? x - 14 : x + 14, y: low ? y - 12 : y + 22, "text-anchor": x > SIZE - 70 ? "end" : "start", fill: look.measured,
        "font-size": 14, "font-weight": 600, stroke: look.panel, "stroke-width": 4, "paint-order": "stroke",
      }, "data p"));
    this.handle.style.left = `${(100 * x) / SIZE}%`;
    this.handle.style.top = `${(100 * y) / SIZE}%`;
    const where = point.map((v) => fixed(v, 2)).join(", ");
    mark(this.handle, "aria-label", `Data point p at (${where}). Arrow keys move it, with Shift farther.`);
    mark(this.handle, "title", "Drag the data");
    mark(this.surface, "aria-label", "The plane. Arrow keys move a cross, Enter starts an iterate there, Delete takes the last one away,"
      + " Space plays or pauses.");
  }

  drawCursor() {
    if (!this.now) return;
    const seen = document.activeElement === this.surface && this.keyed;
    const [x, y] = [this.scale.x(this.cursor[0]), this.scale.y(this.cursor[1])];
    const cross = draw("path", { d: `M${x - 11} ${y}h22M${x} ${y - 11}v22`, stroke: this.now.look.text, "stroke-width": 1.6 });
    this.layers.cursor.replaceChildren(...(seen ? [cross] : []));
  }

  /** Say aloud what has come about. */
  tell(text) {
    say(this.told, text);
  }

  place(event) {
    const box = this.surface.getBoundingClientRect();
    const at = this.scale.back(((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height);
    return at.map((v) => tidy(v, this.now.head.reach));
  }

  /** Pointer: the data, a start, or a new start. */
  grab(event, what) {
    if (event.button || !this.now) return;
    event.preventDefault();
    event.stopPropagation();
    const target = event.currentTarget;
    target.focus({ preventScroll: true });
    this.keyed = false;
    this.drawCursor();
    const start = what === "plane" ? this.startNear(event) : -1;
    target.setPointerCapture(event.pointerId);
    const from = [event.clientX, event.clientY];
    let moved = false;
    const move = (e) => {
      moved ||= Math.hypot(e.clientX - from[0], e.clientY - from[1]) > 3;
      if (moved && what === "data") this.on.point(this.place(e), false);
      if (moved && start >= 0) this.on.moveStart(start, this.place(e), false);
    };
    const end = (e) => {
      for (const name of ["pointermove", "pointerup", "pointercancel"]) target.removeEventListener(name, name === "pointermove" ? move : end);
      if (what === "data") return moved && this.on.point(this.place(e), true);
      if (start >= 0) return moved && this.on.moveStart(start, this.place(e), true);
      return e.type === "pointerup" && !moved && this.on.start(this.place(e));
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", end);
    target.addEventListener("pointercancel", end);
  }

  startNear(event) {
    const box = this.surface.getBoundingClientRect();
    const far = this.now.starts.map(([a, b]) => Math.hypot(
      event.clientX - box.left - (this.scale.x(a) * box.width) / SIZE, event.clientY - box.top - (this.scale.y(b) * box.height) / SIZE));
    const best = far.indexOf(Math.min(...far));
    return best >= 0 && far[best] <= NEAR ? best : -1;
  }

  keyData(event) {
    const to = this.stepped(event, this.now.point, 0.05, 0.25);
    if (!to) return;
    this.on.point(to, false);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.on.point(this.now.point, true), 350);
  }

  keyPlane(event) {
    const to = this.stepped(event, this.cursor, 0.1, 0.5);
    if (to) {
      this.cursor = to;
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.on.start(this.cursor);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.on.drop();
    } else return;
    this.keyed = true;
    this.drawCursor();
  }

  /** Where an arrow key leads, or null for any other key. */
  stepped(event, from, by, far) {
    const [a, b] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if ((!a && !b) || event.ctrlKey || event.altKey || event.metaKey || !this.now) return null;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? far : by;
    return [from[0] + a * step, from[1] + b * step].map((v) => tidy(v, this.now.head.reach));
  }

  /** The picture as a file of its own. */
  save() {
    const copy = this.svg.cloneNode(true);
    copy.setAttribute("width", SIZE);
    copy.setAttribute("height", SIZE);
    copy.removeAttribute("aria-hidden");
    download("deqviz-plane.svg", new XMLSerializer().serializeToString(copy), "image/svg+xml");
  }
}

const inside = (x, y) => x > -20 && y > -20 && x < SIZE + 20 && y < SIZE + 20;
const tidy = (v, reach) => Math.min(reach, Math.max(-reach, Math.round(v * 100) / 100));

/** The point of the line Ax = y that is nearest to the origin. */
function foot([a, b], degrees) {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const t = a * c + b * s;
  return [t * c, t * s];
}

/** The kind of an equilibrium in words; the flow and the iteration may differ. */
export function wordsOf(flow, attracts) {
  return flow.startsWith("stable") && !attracts ? `${flow}, T overshoots` : flow;
}

function badge(x, y, text, colour, look) {
  return [
    draw("circle", { class: "dqv-badge", cx: x, cy: y, r: 9, fill: colour, stroke: look.panel, "stroke-width": 1.5 }),
    draw("text", { x, y, "text-anchor": "middle", "dominant-baseline": "central", fill: look.panel, "font-size": 13, "font-weight": 700 }, text),
  ];
}
