// The pictures side by side: truth, data and one for each method, with one zoom, one readout and one wipe.

import { savePicture } from "./bar.js";
import { shapeOf } from "./marks.js";
import { choices } from "./store.js";
import { el, mark, say } from "../shared/dom.js";
import { decibels, number } from "../shared/protocol.js";
import { blank, HEAT, paint, paintError } from "../shared/pixels.js";
import { Zoom } from "../shared/zoom.js";

const TITLES = { truth: "Ground truth", measured: "Measurements" };

export class ComparePanels {
  /** @param {HTMLElement} grid where the cards go; it carries the zoom */
  constructor(grid) {
    this.grid = grid;
    this.panels = new Map(); // "truth", "measured" and the ids of runs -> panel
    this.split(choices.split);
  }

  /** One card for each method; a card keeps its place, and the zoom, while the methods change. */
  arrange(lanes) {
    const keys = ["truth", "measured", ...lanes.map((_, i) => `m${i + 1}`)];
    lanes.forEach((lane, i) => {
      const panel = this.panels.get(`m${i + 1}`);
      if (panel && panel.name !== lane.name) this.call(panel, lane.name);
    });
    if (String(keys) === String([...this.panels.keys()])) return false;
    for (const [key, panel] of this.panels) {
      if (keys.includes(key)) continue;
      panel.card.remove();
      this.panels.delete(key);
    }
    keys.forEach((key, i) => {
      if (!this.panels.has(key)) this.panels.set(key, this.make(key, TITLES[key] ?? lanes[i - 2].name, i - 2));
    });
    this.zoom?.destroy();
    const kept = this.zoom;
    this.zoom = new Zoom(this.grid, [...this.panels.values()].map((p) => p.frame), {
      changed: (z) => this.zoomed(z), hovered: (at, frame) => this.hovered(at, frame),
    });
    if (kept) Object.assign(this.zoom, { z: kept.z, x: kept.x, y: kept.y });
    this.zoom.apply();
    return true;
  }

  get cards() {
    return [...this.panels.values()].map((panel) => panel.card);
  }

  make(key, name, index) {
    const panel = { key, index, pixels: null };
    panel.canvas = el("canvas", { class: "canvas", role: "img", width: 1, height: 1 });
    panel.over = el("canvas", { class: "canvas", width: 1, height: 1, "aria-hidden": "true" });
    panel.overBox = el("div", { class: "over", hidden: true }, el("div", { class: "layer" }, panel.over));
    panel.handle = el("div", {
      class: "handle", role: "slider", tabindex: 0, hidden: true, "aria-valuemin": 0, "aria-valuemax": 100,
      keydown: (event) => this.wipeKey(event), pointerdown: (event) => this.wipeDrag(event, panel),
    });
    panel.said = el("p", { class: "said-in", hidden: true });
    panel.ring = el("span", { class: "ring", hidden: true });
    panel.readout = el("span", { class: "chip readout", hidden: true });
    panel.frame = el("div", { class: "frame", tabindex: 0, role: "group", "data-panel": key },
      el("div", { class: "layer" }, panel.canvas), panel.overBox, panel.said, panel.ring, panel.readout, panel.handle);
    panel.title = el("span", { class: "panel-title" });
    panel.note = el("span", { class: "note" });
    panel.save = el("button", { class: "small file", type: "button", click: () => savePicture(panel.canvas, `deqviz-${panel.name}-${choices.mode}`) }, "PNG");
    panel.tools = el("span", { class: "tools" }, panel.save);
    const sign = index < 0 ? el("i", { class: `dot dot-${key}` }) : shapeOf(index);
    panel.card = el("figure", { class: "card panel" }, panel.frame, el("div", { class: "caption" }, sign, panel.title, panel.note, panel.tools));
    if (key === "truth") this.addZoom(panel);
    if (key === "measured") this.addScale(panel);
    this.call(panel, name);
    return panel;
  }

  call(panel, name) {
    panel.name = name;
    say(panel.title, name);
    panel.title.title = name;
    mark(panel.canvas, "aria-label", name);
    mark(panel.frame, "aria-label", `${name}: plus and minus zoom, arrows move when zoomed`);
    mark(panel.handle, "aria-label", `Wipe over ${name}`);
    mark(panel.save, "title", "Download this image as PNG, lossless");
    mark(panel.save, "aria-label", `${name}: download as PNG`);
  }

  addZoom(panel) {
    this.level = el("button", { class: "small level", type: "button", title: "Show the whole image", click: () => this.zoom.reset() }, "1×");
    const by = (text, label, factor) => el("button", { class: "small", type: "button", title: label, "aria-label": label, click: () => this.zoom.by(factor) }, text);
    panel.tools.prepend(by("−", "Zoom out", 1 / 1.5), this.level, by("+", "Zoom in", 1.5));
  }

  addScale(panel) {
    this.scale = el("span", { class: "chip scale", title: "Colour scale of all error images", hidden: true }, "0", el("i", { class: "ramp" }), el("span"));
    this.scale.firstElementChild.style.background = `linear-gradient(90deg, ${HEAT.join(",")})`;
    panel.frame.append(this.scale);
  }

  /**
   * Draw all panels.
   * @param {object|null} pictures truth, measured, shape
   * @param {Array<{key, pixels, psnr, message, failed, k}>} shown one for each method
   */
  draw(pictures, shown) {
    if (pictures && String(pictures.shape) !== String(this.pictures?.shape)) {
      const [, height, width] = pictures.shape;
      this.grid.style.setProperty("--dqv-aspect", `${width} / ${height}`);
      this.zoom.reset();
    }
    this.pictures = pictures;
    if (pictures) {
      this.fill("truth", pictures.truth, false);
      this.fill("measured", pictures.measured, true);
      say(this.panels.get("truth").note, pictures.truth ? `${pictures.shape[2]} × ${pictures.shape[1]}` : "no ground truth");
      const data = this.panels.get("measured");
      this.call(data, pictures.name || TITLES.measured);
      data.title.title = `${TITLES.measured}, as an image`;
      say(data.note, decibels(pictures.psnr));
    } else {
      // Nothing of the comparison before stays under the new one's header.
      for (const key of ["truth", "measured"]) {
        this.fill(key, null, false);
        say(this.panels.get(key).note, "");
      }
      this.call(this.panels.get("measured"), TITLES.measured);
    }
    for (const one of shown) this.drawLane(one);
    this.scale.hidden = !this.isError;
    say(this.scale.lastChild, `≥ ${number(1 / choices.gain)}`);
    this.drawWipe();
    this.sharpen();
    if (this.at) this.hovered(this.at, this.hoverFrame);
  }

  drawLane({ key, pixels, psnr, k, message, failed }) {
    const panel = this.panels.get(key);
    this.fill(key, pixels && pixels.length === this.pictures?.measured.length ? pixels : null, true);
    say(panel.note, decibels(psnr) || (pixels ? `k = ${k}` : ""));
    panel.note.title = pixels ? `iteration ${k}` : "";
    const words = failed ? message : pixels ? "" : "waiting for its first iterate";
    panel.said.hidden = !words;
    panel.said.classList.toggle("dqv-failed", failed);
    say(panel.said, words);
    panel.save.disabled = !pixels;
  }

  get isError() {
    return choices.mode === "error" && Boolean(this.pictures?.truth);
  }

  get plane() {
    return this.pictures.shape[0] === 3 ? -1 : 0;
  }

  fill(key, pixels, hasError) {
    const panel = this.panels.get(key);
    panel.pixels = pixels;
    if (!this.pictures) {
      panel.canvas.width = panel.canvas.width;
      return;
    }
    const { truth, shape } = this.pictures;
    if (!pixels) blank(panel.canvas, shape);
    else if (hasError && this.isError) paintError(panel.canvas, pixels, truth, shape, this.plane, choices.gain);
    else paint(panel.canvas, pixels, shape, this.plane);
  }

  /** The chosen picture lies over all others, right of the edge. */
  drawWipe() {
    const partner = this.panels.get(choices.wipe);
    mark(this.grid, "data-wipe", partner ? choices.wipe : "");
    for (const panel of this.panels.values()) {
      const isOver = Boolean(partner) && panel !== partner && Boolean(panel.pixels);
      panel.overBox.hidden = panel.handle.hidden = !isOver;
      if (!isOver) continue;
      if (panel.over.width !== partner.canvas.width) panel.over.width = partner.canvas.width;
      if (panel.over.height !== partner.canvas.height) panel.over.height = partner.canvas.height;
      const context = panel.over.getContext("2d");
      context.clearRect(0, 0, panel.over.width, panel.over.height);
      context.drawImage(partner.canvas, 0, 0);
      mark(panel.handle, "aria-valuenow", Math.round(choices.split));
      mark(panel.handle, "aria-valuetext", `${Math.round(choices.split)} percent ${panel.name}, the rest ${partner.name}`);
    }
  }

  split(percent) {
    choices.split = Math.min(100, Math.max(0, percent));
    this.grid.style.setProperty("--dqv-split", `${choices.split}%`);
    if (this.scale) this.drawWipe();
  }

  wipeKey(event) {
    const by = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.split(choices.split + by);
  }

  wipeDrag(event, { frame, handle }) {
    event.stopPropagation();
    const box = frame.getBoundingClientRect();
    handle.setPointerCapture(event.pointerId);
    handle.onpointermove = (e) => this.split((100 * (e.clientX - box.left)) / box.width);
    handle.onpointerup = handle.onpointercancel = () => { handle.onpointermove = null; };
  }

  zoomed({ z }) {
    if (this.level) say(this.level, z < 10 ? `${Number(z.toFixed(1))}×` : `${Math.round(z)}×`);
    this.sharpen();
    this.hovered(null);
  }

  /** Pixels stay square blocks when enlarged; a reduced picture is smoothed, or fine lines would vanish. */
  sharpen() {
    if (!this.pictures || !this.zoom) return;
    const shown = this.panels.get("truth").frame.clientWidth * this.zoom.z * (window.devicePixelRatio || 1);
    this.grid.classList.toggle("dqv-smooth", shown < this.pictures.shape[2]);
  }

  /** Values under the pointer, in all pictures; `at` is (column, row) as fractions of the picture. */
  hovered(at, frame) {
    this.at = at;
    this.hoverFrame = frame;
    const shape = this.pictures?.shape;
    const inside = at && shape && at[0] >= 0 && at[0] < 1 && at[1] >= 0 && at[1] < 1;
    for (const panel of this.panels.values()) {
      panel.ring.hidden = panel.readout.hidden = !inside || !panel.pixels;
      if (panel.ring.hidden) continue;
      const column = Math.floor(at[0] * shape[2]);
      const line = Math.floor(at[1] * shape[1]);
      const [left, top] = this.zoom.place((column + 0.5) / shape[2], (line + 0.5) / shape[1]);
      panel.ring.style.left = `${100 * left}%`;
      panel.ring.style.top = `${100 * top}%`;
      const where = panel.frame === frame ? `(${column}, ${line}) ` : "";
      say(panel.readout, where + this.valueOf(panel, line * shape[2] + column));
    }
  }

  valueOf({ pixels, key }, index) {
    const { truth, shape } = this.pictures;
    const size = shape[1] * shape[2];
    const planes = shape[0] === 3 ? [0, 1, 2] : [0];
    return planes.map((c) => {
      const value = pixels[c * size + index] / 255;
      return (this.isError && key !== "truth" ? Math.abs(value - truth[c * size + index] / 255) : value).toFixed(3);
    }).join(" ");
  }

  destroy() {
    this.zoom?.destroy();
  }
}
