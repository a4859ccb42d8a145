// Volumes and films beside each other: one slider for the frame of all, one for the row of their cuts.

import { el, formula, mark, say } from "../shared/dom.js";
import { paint, paintError } from "../shared/pixels.js";

export class Stacks {
  constructor() {
    this.frame = this.slider();
    this.row = this.slider();
    this.note = el("span", { class: "note" });
    this.grid = el("div", { class: "stack-grid" });
    this.node = el("section", { class: "stacks", "aria-label": "Volumes", hidden: true },
      el("div", { class: "card stack-bar" }, this.frame.node, this.row.node, this.note), this.grid);
    this.cards = new Map(); // key -> its elements
  }

  slider() {
    const range = el("input", { class: "range", type: "range", min: 0, input: () => this.moved() });
    const [name, place] = [el("span"), el("b")];
    return { range, name, place, node: el("label", { class: "stack-slider" }, name, range, place) };
  }

  /** @param {{head: object, blocks: object}} packet */
  update({ head, blocks }) {
    this.node.hidden = !head.stacks;
    if (!head.stacks) return;
    const [frame, cut, gain, note, items] = head.stacks;
    this.stacks = items.map(([key, title, said, other, words], i) => (
      { key, title, note: said, other, words, pixels: blocks[`stack:${i}`], extra: blocks[`extra:${i}`] }));
    Object.assign(this, { gain, words: { frame, cut } });
    say(this.note, note);
    const [n, , height] = this.stacks[0].pixels.shape;
    this.fit(this.frame, frame, n);
    this.fit(this.row, "Row of the cut", height);
    const keys = items.map(([key]) => key);
    for (const key of this.cards.keys()) if (!keys.includes(key)) this.cards.delete(key);
    const wanted = this.stacks.map((stack) => this.card(stack).node);
    if (wanted.some((node, i) => this.grid.children[i] !== node) || this.grid.children.length !== wanted.length) {
      this.grid.replaceChildren(...wanted);
    }
    this.draw();
  }

  /** A slider keeps its place; where there are as many places as never before it starts in the middle. */
  fit(slider, name, count) {
    say(slider.name, name);
    if (slider.count === count) return;
    slider.count = count;
    mark(slider.range, "max", count - 1);
    slider.range.value = Math.floor(count / 2);
  }

  moved() {
    if (this.stacks) this.draw();
  }

  card({ key, title, note, other, extra, words }) {
    const card = this.cards.get(key) ?? this.make(key);
    if (extra) show(card.extra, extra, extra.shape, `${title}: ${words}`);
    const said = JSON.stringify([title, note, other, words, !extra, this.words, this.gain]);
    if (card.said === said) return card;
    Object.assign(card, { said, title });
    card.heading.replaceChildren(...formula(title));
    card.note.replaceChildren(...formula(note));
    card.note.title = note;
    say(card.cut.words, this.words.cut);
    say(card.error.words, `Error × ${this.gain}`);
    card.error.node.hidden = !other;
    say(card.extra.words, words);
    card.extra.node.hidden = !extra;
    return card;
  }

  make(key) {
    const card = {
      heading: el("h2", { class: "panel-title" }), note: el("span", { class: "note" }),
      shown: picture(), cut: picture(), error: picture(), extra: picture(), line: el("i", { class: "stack-line" }),
    };
    card.shown.frame.append(card.line);
    card.node = el("figure", { class: "card panel", "data-stack": key },
      el("figcaption", { class: "caption" }, card.heading, card.note), card.shown.node, card.cut.node, card.error.node,
      card.extra.node);
    this.cards.set(key, card);
    return card;
  }

  draw() {
    const [k, row] = [Number(this.frame.range.value), Number(this.row.range.value)];
    this.told(this.frame, k);
    this.told(this.row, row);
    mark(this.node, "data-frame", k + 1);
    mark(this.node, "data-row", row + 1);
    for (const { key, other, pixels } of this.stacks) {
      const card = this.cards.get(key);
      const [, , height, width] = pixels.shape;
      const shape = [1, height, width];
      show(card.shown, frameOf(pixels, k), shape, `${card.title}, ${this.words.frame.toLowerCase()} ${k + 1}`);
      card.line.style.top = `${(100 * (row + 0.5)) / height}%`;
      show(card.cut, cutOf(pixels, row), [1, pixels.shape[0], width], `${card.title}, ${this.words.cut.toLowerCase()}, row ${row + 1}`);
      // few frames would be a thread: they are stretched to half of the picture's height
      card.cut.frame.style.setProperty("--dqv-aspect", `${width} / ${Math.max(pixels.shape[0], height / 2)}`);
      const reference = this.stacks.find((stack) => stack.key === other);
      if (reference) {
        paintError(card.error.canvas, frameOf(pixels, k), frameOf(reference.pixels, k), shape, 0, this.gain);
        name(card.error, shape, `${card.title}, error times ${this.gain}, ${this.words.frame.toLowerCase()} ${k + 1}`);
      }
    }
  }

  told({ range, place, count }, at) {
    say(place, `${at + 1} / ${count}`);
    mark(range, "aria-valuetext", `${at + 1} of ${count}`);
    range.style.setProperty("--dqv-shown", count > 1 ? at / (count - 1) : 0);
  }
}

/** One picture of a card: a canvas in a frame of its shape, and a line of words above it. */
function picture() {
  const canvas = el("canvas", { class: "canvas", role: "img" });
  const frame = el("div", { class: "frame tile-frame" }, canvas);
  const words = el("span", { class: "stack-words" });
  return { canvas, frame, words, node: el("div", { class: "stack-picture" }, words, frame) };
}

function show(part, pixels, shape, said) {
  paint(part.canvas, pixels, shape, 0);
  name(part, shape, said);
}

function name(part, [, height, width], said) {
  part.frame.style.setProperty("--dqv-aspect", `${width} / ${height}`);
  mark(part.canvas, "aria-label", said);
}

function frameOf(pixels, k) {
  const size = pixels.shape[2] * pixels.shape[3];
  return pixels.subarray(k * size, (k + 1) * size);
}

/** The same row of every frame, one below the other. */
function cutOf(pixels, row) {
  const [n, , height, width] = pixels.shape;
  const cut = new Uint8Array(n * width);
  for (let k = 0; k < n; k++) {
    const from = (k * height + row) * width;
    cut.set(pixels.subarray(from, from + width), k * width);
  }
  return cut;
}
