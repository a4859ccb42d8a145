// A pad on which lost pixels are painted over a picture; the mask travels as a short text, cell by cell.

import { el, mark } from "../shared/dom.js";

const PENS = [["thin", 0.8], ["thick", 2.6]]; // radius in cells
const SIZE = 256; // pixels of the canvas

const pads = new Map(); // place on the page -> pad

class Pad {
  constructor(parent) {
    this.root = parent.querySelector(".dqm");
    this.canvas = el("canvas", {
      width: SIZE, height: SIZE, class: "pad", role: "img", "aria-label": "Paint the missing pixels here",
      pointerdown: (event) => this.down(event), pointermove: (event) => this.move(event), pointerup: () => this.up(), pointercancel: () => this.up(),
    });
    this.context = this.canvas.getContext("2d");
    this.picture = new Image();
    this.picture.onload = () => this.draw();
    this.radius = PENS[1][1];
    this.erases = false;
    this.pens = PENS.map(([name, radius]) => this.button(name, () => { this.radius = radius; this.erases = false; this.show(); }));
    this.eraser = this.button("erase", () => { this.erases = true; this.show(); });
    this.root.replaceChildren(this.canvas,
      el("div", { class: "pad-tools" }, ...this.pens, this.eraser, this.button("clear", () => { this.cells.fill(0); this.draw(); this.send(); })));
    this.show();
  }

  button(text, click) {
    return el("button", { class: "pad-button", type: "button", click }, text);
  }

  /** Which tool is in the hand. */
  show() {
    this.pens.forEach((pen, i) => mark(pen, "aria-pressed", !this.erases && this.radius === PENS[i][1]));
    mark(this.eraser, "aria-pressed", this.erases);
  }

  receive({ picture, mask, side }) {
    if (this.picture.src !== picture) this.picture.src = picture;
    if (!this.cells || (mask !== this.sent && !this.last)) {
      this.side = side;
      this.cells = decode(mask, side * side);
      this.sent = mask;
    }
    this.draw();
  }

  draw() {
    if (!this.cells) return;
    const cell = SIZE / this.side;
    this.context.imageSmoothingEnabled = false;
    this.context.clearRect(0, 0, SIZE, SIZE);
    if (this.picture.complete && this.picture.naturalWidth) this.context.drawImage(this.picture, 0, 0, SIZE, SIZE);
    this.context.fillStyle = "rgba(0, 0, 0, .82)";
    this.cells.forEach((lost, n) => {
      if (lost) this.context.fillRect((n % this.side) * cell, Math.floor(n / this.side) * cell, cell, cell);
    });
    this.root.dataset.lost = this.cells.reduce((sum, lost) => sum + lost, 0);
  }

  /** The place of the pointer in cells. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.side, ((event.clientY - box.top) / box.height) * this.side];
  }

  down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.at(event);
    this.paint(this.last, this.last);
  }

  move(event) {
    if (!this.last) return;
    const here = this.at(event);
    this.paint(this.last, here);
    this.last = here;
  }

  up() {
    if (!this.last) return;
    this.last = null;
    this.send();
  }

  /** Every cell whose middle is within a pen's radius of the line. */
  paint([x0, y0], [x1, y1]) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy || 1;
    this.cells.forEach((_, n) => {
      const [x, y] = [(n % this.side) + 0.5, Math.floor(n / this.side) + 0.5];
      const along = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length));
      if (Math.hypot(x - x0 - along * dx, y - y0 - along * dy) <= this.radius) this.cells[n] = this.erases ? 0 : 1;
    });
    this.draw();
  }

  send() {
    this.sent = encode(this.cells);
    this.post(this.sent);
  }
}

/** Eight cells a byte, the first one highest, as base64 for addresses. */
function encode(cells) {
  const bytes = new Uint8Array(cells.length / 8);
  cells.forEach((lost, n) => { bytes[n >> 3] |= lost << (7 - (n & 7)); });
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function decode(text, count) {
  const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from({ length: count }, (_, n) => (bytes.charCodeAt(n >> 3) >> (7 - (n & 7))) & 1);
}

/** Streamlit's entry. */
export default function ({ data, parentElement, setTriggerValue }) {
  const pad = pads.get(parentElement) ?? new Pad(parentElement);
  pads.set(parentElement, pad);
  pad.post = (value) => setTriggerValue("mask", value);
  pad.receive(data);
  return () => setTimeout(() => { if (!pad.root.isConnected) pads.delete(parentElement); });
}
