// The board: Streamlit calls the default export with every packet; one Board per place on the page.

import { Bar } from "./bar.js";
import { BoardCharts } from "../shared/board_charts.js";
import { Stacks } from "./stacks.js";
import { Tiles } from "./tiles.js";
import { KEYED, mark } from "../shared/dom.js";
import { Guarantees } from "../shared/guarantees.js";
import { lookOf } from "../shared/look.js";
import { Commander, entry } from "../shared/root.js";
// What those modules import in turn, named here so that all files are fetched in one go.
import "../shared/board_figures.js";
import "../shared/board_sketch.js";
import "../shared/loader.js";
import "../shared/pixels.js";
import "../shared/protocol.js";

const EXPECTED = { run: "preparing", play: "running", pause: "paused", stop: "stopped" };

class Board extends Commander {
  constructor(parent) {
    super(parent);
    this.bar = new Bar((name) => this.command(name));
    this.charts = new BoardCharts();
    this.tiles = new Tiles();
    this.stacks = new Stacks();
    this.guarantees = new Guarantees();
    this.root.replaceChildren(this.bar.node, this.charts.node, this.tiles.node, this.stacks.node, this.guarantees.node);
  }

  show(packet) {
    this.packet = packet;
    this.draw();
  }

  draw() {
    const { head } = this.packet;
    this.look = lookOf(this.root, this.look);
    clearTimeout(this.waiting);
    if (!this.look.iterate) this.waiting = setTimeout(() => this.gone || this.draw(), 50); // for the style sheet
    this.drawBar();
    this.charts.update(this.packet, this.look);
    this.tiles.update(this.packet);
    this.stacks.update(this.packet);
    this.guarantees.update(head.guarantees, head.explanation);
    mark(this.root, "data-state", head.state);
    mark(this.root, "data-run", head.run);
    mark(this.root, "data-done", head.done);
  }

  /** The bar shows the wished state until the answer comes. */
  drawBar() {
    const { head } = this.packet;
    const wished = this.outbox.at(-1);
    this.bar.update(head, wished ? EXPECTED[wished.name] : head.state, this.failed);
  }

  /** Ask the server for something. */
  command(name) {
    if (!this.packet) return;
    this.order({ name, run: this.packet.head.run });
    this.drawBar();
  }

  /** Space does what the main button does, wherever the focus is, unless something there uses it. */
  key(event) {
    if (event.key !== " " || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!this.packet || event.composedPath().some((node) => node.matches?.(KEYED))) return;
    this.bar.press();
    event.preventDefault();
  }

  destroy() {
    this.charts.destroy();
    super.destroy();
  }
}

/** Streamlit's entry. */
export default entry(Board, "command");
