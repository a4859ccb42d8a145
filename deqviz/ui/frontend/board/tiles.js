// Pictures with a title and a note, each in a card.

import { el, formula, mark } from "../shared/dom.js";
import { paint } from "../shared/pixels.js";

export class Tiles {
  constructor() {
    this.node = el("section", { class: "tiles", "aria-label": "Images", hidden: true });
    this.cards = new Map(); // key -> {card, title, note, canvas, said}
  }

  /** @param {{head: object, blocks: object}} packet */
  update({ head, blocks }) {
    const keys = head.tiles.map(([key]) => key);
    this.node.hidden = keys.length === 0;
    for (const key of this.cards.keys()) if (!keys.includes(key)) this.cards.delete(key);
    head.tiles.forEach(([key, title, note], i) => this.draw(key, title, note, blocks[`tile:${i}`]));
    const wanted = keys.map((key) => this.cards.get(key).card);
    if (wanted.some((card, i) => this.node.children[i] !== card) || this.node.children.length !== wanted.length) {
      this.node.replaceChildren(...wanted);
    }
  }

  draw(key, title, note, pixels) {
    const tile = this.cards.get(key) ?? this.make(key);
    const [channels, height, width] = pixels.shape;
    paint(tile.canvas, pixels, pixels.shape, channels === 1 ? 0 : -1);
    tile.frame.style.setProperty("--dqv-aspect", `${width} / ${height}`);
    if (tile.said === `${title}|${note}`) return;
    tile.said = `${title}|${note}`;
    tile.title.replaceChildren(...formula(title));
    tile.note.replaceChildren(...formula(note));
    tile.note.title = note;
    mark(tile.canvas, "aria-label", `${title}. ${note}`);
  }

  make(key) {
    const tile = {
      canvas: el("canvas", { class: "canvas", role: "img" }), title: el("h2", { class: "panel-title" }), note: el("span", { class: "note" }),
    };
    tile.frame = el("div", { class: "frame tile-frame" }, tile.canvas);
    tile.card = el("figure", { class: "card panel", "data-tile": key },
      el("figcaption", { class: "caption" }, tile.title, tile.note), tile.frame);
    this.cards.set(key, tile);
    return tile;
  }
}
