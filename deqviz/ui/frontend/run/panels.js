// The four linked pictures: truth, measured data, iterate and error, with one zoom, one readout and a wipe.

import { el, icon, ICONS, mark, say, select } from "../shared/dom.js";
import { decibels, number } from "../shared/protocol.js";
import { blank, HEAT, paint, paintError } from "../shared/pixels.js";
import { choices } from "./store.js";
import { Zoom } from "../shared/zoom.js";

const NAMES = ["truth", "measured", "iterate", "error"];
const TITLES = { truth: "Ground truth", measured: "Measurements", iterate: "Iterate ", error: "Error" };
const GAINS = [1, 2, 4, 8, 16].map((g) => [g, `× ${g}`]);
const CHANNELS = ["RGB", "R", "G", "B"].map((c) => [c, c]);
const PARTNERS = [["measured", "measurements"], ["truth", "ground truth"]];
const UNKNOWN = "no ground truth";

export class Panels {
  constructor() {
    this.pictures = null;
    this.pixels = null;
    this.k = 0;
    this.panels = Object.fromEntries(NAMES.map((name) => [name, this.panel(name)]));
    this.sub = el("sub");
    this.panels.iterate.title.append("x", this.sub);
    this.node = el("section", { class: "pictures", "aria-label": "Images" }, ...NAMES.map((name) => this.panels[name].card));
    this.addTools();
    this.addWipe();
    this.zoom = new Zoom(this.node, NAMES.map((name) => this.panels[name].frame), {
      changed: (z) => this.zoomed(z), hovered: (at, frame) => this.hovered(at, frame),
    });
  }

  panel(name) {
    const canvas = el("canvas", { class: "canvas", role: "img", "aria-label": TITLES[name].trim(), width: 1, height: 1 });
    const layer = el("div", { class: "layer" }, canvas);
    const ring = el("span", { class: "ring", hidden: true });
    const readout = el("span", { class: "chip readout", hidden: true });
    const frame = el("div", {
      class: "frame", tabindex: 0, role: "group", "data-panel": name,
      "aria-label": `${TITLES[name].trim()}: plus and minus zoom, arrows move when zoomed`,
    }, layer, ring, readout);
    const title = el("span", { class: "panel-title" }, TITLES[name]);
    const note = el("span", { class: "note" });
    const tools = el("span", { class: "tools" });
    const caption = el("div", { class: "caption" }, el("i", { class: `dot dot-${name}` }), title, note, tools);
    const card = el("figure", { class: "card panel" }, frame, caption);
    return { canvas, layer, ring, readout, frame, title, note, tools, card };
  }

  addTools() {
    this.channel = select("Colour channel", CHANNELS, choices.channel, (value) => { choices.channel = value; this.redraw(); });
    this.gain = select("Error gain", GAINS, choices.gain, (value) => { choices.gain = Number(value); this.redraw(); });
    this.level = el("button", { class: "small level", type: "button", title: "Show the whole image", click: () => this.zoom.reset() }, "1×");
    const nearer = el("button", { class: "small", type: "button", title: "Zoom in", "aria-label": "Zoom in", click: () => this.zoom.by(1.5) }, "+");
    const farther = el("button", { class: "small", type: "button", title: "Zoom out", "aria-label": "Zoom out", click: () => this.zoom.by(1 / 1.5) }, "−");
    this.panels.truth.tools.append(this.channel);
    this.panels.measured.tools.append(farther, this.level, nearer);
    this.panels.error.title.after(this.gain);
    this.scale = el("span", { class: "chip scale", title: "Colour scale of the error image" }, "0", el("i", { class: "ramp" }), el("span"));
    this.scale.children[0].style.background = `linear-gradient(90deg, ${HEAT.join(",")})`;
    this.panels.error.frame.append(this.scale);
  }

  addWipe() {
    const { frame, tools } = this.panels.iterate;
    this.over = el("canvas", { class: "canvas", width: 1, height: 1, "aria-hidden": "true" });
    this.overBox = el("div", { class: "over", hidden: true }, el("div", { class: "layer" }, this.over));
    this.handle = el("div", {
      class: "handle", role: "slider", tabindex: 0, hidden: true, "aria-label": "Wipe", "aria-valuemin": 0,
      "aria-valuemax": 100, keydown: (event) => this.wipeKey(event), pointerdown: (event) => this.wipeDrag(event),
    });
    this.partner = select("Compare the iterate with", PARTNERS, choices.partner, (value) => { choices.partner = value; this.redraw(); });
    this.partner.classList.add("dqv-partner");
    this.wipeLabel = el("span", { class: "chip wipe-label", hidden: true }, "iterate");
    this.toggle = el("button", {
      class: "small", type: "button", title: "Wipe between the iterate and another image", "aria-label": "Wipe",
      "aria-pressed": "false", click: () => { choices.wipe = !choices.wipe; this.drawWipe(); if (choices.wipe) this.handle.focus(); },
    }, icon(ICONS.wipe));
    tools.append(this.toggle);
    frame.append(this.overBox, this.handle, this.wipeLabel, this.partner);
    this.drawWipe();
  }

  /** Show the pictures of a run; null before they have arrived. */
  setPictures(pictures) {
    if (pictures === this.pictures) return;
    const size = String(pictures?.shape);
    if (size !== this.size) this.zoom.reset();
    this.size = size;
    this.pictures = pictures;
    this.channel.hidden = pictures?.shape[0] !== 3;
    if (!pictures) return this.empty();
    const [, height, width] = pictures.shape;
    this.node.style.setProperty("--dqv-aspect", `${width} / ${height}`);
    say(this.panels.truth.note, pictures.truth ? `${width} × ${height}` : UNKNOWN);
    this.call(pictures.name || TITLES.measured);
    say(this.panels.measured.note, decibels(pictures.psnr));
    this.redraw();
  }

  /** What is shown of the measurements has a name of its own, as zero-filled. */
  call(name) {
    const { title, canvas, frame } = this.panels.measured;
    say(title, name);
    title.title = `${TITLES.measured}, as an image`;
    mark(canvas, "aria-label", name);
    mark(frame, "aria-label", `${name}: plus and minus zoom, arrows move when zoomed`);
    say(this.partner.options[0], name.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()));
  }

  /** Nothing of the run before stays under the new one's header. */
  empty() {
    this.clear();
    this.call(TITLES.measured);
    for (const name of ["truth", "measured"]) {
      this.panels[name].canvas.width = this.panels[name].canvas.width;
      say(this.panels[name].note, "");
    }
    this.over.width = this.over.width;
    this.hovered(null);
  }

  /**
   * Draw an iterate.
   * @param {Uint8Array|null} pixels (c, h, w)
   * @param {{k: number, psnr: number|null, errorMax: number|null}} facts
   */
  draw(pixels, { k, psnr, errorMax }) {
    const { iterate, error } = this.panels;
    say(this.sub, String(k));
    say(iterate.note, decibels(psnr));
    this.k = k;
    this.psnr = psnr;
    this.errorMax = errorMax;
    if (!this.pictures || !pixels || pixels.length !== this.pictures.measured.length) return this.clear();
    this.pixels = pixels;
    const { truth, shape } = this.pictures;
    paint(iterate.canvas, pixels, shape, this.plane);
    if (truth) {
      const largest = paintError(error.canvas, pixels, truth, shape, this.plane, choices.gain);
      say(error.note, `max ${number(errorMax ?? (largest / 255) * this.span)}`);
    } else {
      blank(error.canvas, shape);
      say(error.note, UNKNOWN);
    }
    this.describe(psnr);
    if (this.at) this.hovered(this.at, this.hoverFrame);
  }

  clear() {
    this.pixels = null;
    for (const name of ["iterate", "error"]) this.panels[name].canvas.width = this.panels[name].canvas.width;
    say(this.panels.error.note, "");
  }

  /** A picture's label follows at most once a second, so that nobody is flooded. */
  describe(psnr) {
    const now = performance.now();
    if (now - (this.described ?? -1e9) < 1000) return;
    this.described = now;
    mark(this.panels.iterate.canvas, "aria-label", `Iterate ${this.k}${psnr === null ? "" : `, ${decibels(psnr)}`}`);
    mark(this.panels.error.canvas, "aria-label", `Error of iterate ${this.k}, ${this.panels.error.note.textContent}`);
  }

  get plane() {
    return this.pictures.shape[0] === 3 ? { RGB: -1, R: 0, G: 1, B: 2 }[choices.channel] : 0;
  }

  get span() {
    return this.pictures.high - this.pictures.low;
  }

  redraw() {
    if (!this.pictures) return;
    const { truth, measured, shape } = this.pictures;
    if (truth) paint(this.panels.truth.canvas, truth, shape, this.plane);
    else blank(this.panels.truth.canvas, shape);
    this.scale.hidden = this.gain.hidden = !truth;
    paint(this.panels.measured.canvas, measured, shape, this.plane);
    say(this.scale.lastChild, `≥ ${number(this.span / choices.gain)}`);
    this.drawWipe();
    if (this.pixels) this.draw(this.pixels, { k: this.k, psnr: this.psnr, errorMax: this.errorMax });
    this.sharpen();
  }

  drawWipe() {
    for (const part of [this.overBox, this.handle, this.wipeLabel, this.partner]) part.hidden = !choices.wipe;
    mark(this.toggle, "aria-pressed", choices.wipe);
    if (!choices.wipe) return;
    this.split(choices.split);
    if (this.pictures) paint(this.over, this.pictures[choices.partner] ?? this.pictures.measured, this.pictures.shape, this.plane);
  }

  split(percent) {
    choices.split = Math.min(100, Math.max(0, percent));
    this.panels.iterate.frame.style.setProperty("--dqv-split", `${choices.split}%`);
    mark(this.handle, "aria-valuenow", Math.round(choices.split));
    mark(this.handle, "aria-valuetext", `${Math.round(choices.split)} percent iterate, the rest ${this.partner.selectedOptions[0]?.textContent}`);
  }

  wipeKey(event) {
    const by = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.split(choices.split + by);
  }

  wipeDrag(event) {
    event.stopPropagation();
    const box = this.panels.iterate.frame.getBoundingClientRect();
    const follow = (e) => this.split((100 * (e.clientX - box.left)) / box.width);
    this.handle.setPointerCapture(event.pointerId);
    this.handle.onpointermove = follow;
    this.handle.onpointerup = this.handle.onpointercancel = () => { this.handle.onpointermove = null; };
  }

  zoomed({ z }) {
    say(this.level, z < 10 ? `${Number(z.toFixed(1))}×` : `${Math.round(z)}×`);
    this.sharpen();
    this.hovered(null);
  }

  /** Pixels stay square blocks when enlarged; a reduced picture is smoothed, or fine lines would vanish. */
  sharpen() {
    if (!this.pictures) return;
    const shown = this.panels.truth.frame.clientWidth * this.zoom.z * (window.devicePixelRatio || 1);
    this.node.classList.toggle("dqv-smooth", shown < this.pictures.shape[2]);
  }

  /** Values under the pointer, in all four pictures; `at` is (column, row) as fractions of the picture. */
  hovered(at, frame) {
    this.at = at;
    this.hoverFrame = frame;
    const shape = this.pictures?.shape;
    const inside = at && shape && at[0] >= 0 && at[0] < 1 && at[1] >= 0 && at[1] < 1;
    for (const name of NAMES) {
      const { ring, readout } = this.panels[name];
      const lacks = (name === "truth" || name === "error") && !this.pictures?.truth;
      ring.hidden = readout.hidden = !inside || lacks || (!this.pixels && (name === "iterate" || name === "error"));
      if (ring.hidden) continue;
      const column = Math.floor(at[0] * shape[2]);
      const line = Math.floor(at[1] * shape[1]);
      const [left, top] = this.zoom.place((column + 0.5) / shape[2], (line + 0.5) / shape[1]);
      ring.style.left = `${100 * left}%`;
      ring.style.top = `${100 * top}%`;
      const where = this.panels[name].frame === frame ? `(${column}, ${line}) ` : "";
      say(readout, where + this.valueOf(name, line * shape[2] + column));
    }
  }

  valueOf(name, index) {
    const { truth, shape, low } = this.pictures;
    const size = shape[1] * shape[2];
    const planes = this.plane >= 0 ? [this.plane] : [0, 1, 2];
    const source = name === "iterate" || name === "error" ? this.pixels : this.pictures[name];
    return planes.map((c) => {
      const at = c * size + index;
      const value = name === "error" ? (Math.abs(source[at] - truth[at]) / 255) * this.span : low + (source[at] / 255) * this.span;
      return value.toFixed(3);
    }).join(" ");
  }

  destroy() {
    this.zoom.destroy();
  }
}

