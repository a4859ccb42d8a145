// The board: Streamlit calls the default export with every packet; one Board per place on the page.

import { Bar } from "./board_bar.js";
import { BoardCharts } from "./board_charts.js";
import { Tiles } from "./board_tiles.js";
import { KEYED, el, mark } from "./dom.js";
import { Guarantees } from "./guarantees.js";
import { supplyPlotly } from "./loader.js";
import { lookOf } from "./look.js";
import { decode } from "./protocol.js";
// What those modules import in turn, named here so that all files are fetched in one go.
import "./board_figures.js";
import "./board_sketch.js";
import "./pixels.js";

const PATIENCE = 5000; // ms until an unanswered command is given up
const EXPECTED = { run: "preparing", play: "running", pause: "paused", stop: "stopped" };

const boards = new Map(); // place on the page -> Board
let count = Date.now(); // commands are numbered across all boards and visits

/** Streamlit's entry. */
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  if (!(data instanceof Uint8Array)) return undefined;
  const packet = decode(data);
  if (packet.head.kind === "script") {
    parentElement.querySelector(".dqv")?.classList.add("dqv-store");
    supplyPlotly(packet.blocks.script);
    return undefined;
  }
  const board = boards.get(parentElement) ?? new Board(parentElement);
  boards.set(parentElement, board);
  board.send = (commands) => setTriggerValue("command", { commands });
  board.receive(packet);
  return () => setTimeout(() => leave(board, parentElement));
}

/** The clean-up of a call that newer data overtook comes too: only a board that is really gone is taken down. */
function leave(board, parentElement) {
  if (board.root.isConnected) return;
  board.destroy();
  boards.delete(parentElement);
}

class Board {
  constructor(parent) {
    this.root = parent.querySelector(".dqv");
    this.outbox = []; // commands that the server has not acknowledged
    this.painted = 0;
    this.bar = new Bar((name) => this.command(name));
    this.charts = new BoardCharts();
    this.tiles = new Tiles();
    this.guarantees = new Guarantees();
    this.root.replaceChildren(this.bar.node, this.charts.node, this.tiles.node, this.guarantees.node);
    this.root.tabIndex = -1; // a click into the board takes the focus from the widget that had it
    this.listener = (event) => this.key(event);
    document.addEventListener("keydown", this.listener);
  }

  /** A packet from the server; only the newest is drawn. */
  receive(packet) {
    this.outbox = this.outbox.filter((command) => command.number > packet.head.ack);
    if (!this.outbox.length) clearTimeout(this.timer);
    this.next = packet;
    if (!this.busy) this.pump();
  }

  async pump() {
    this.busy = true;
    try {
      while (this.next && !this.gone) {
        this.packet = this.next;
        this.next = null;
        this.draw();
        await new Promise(requestAnimationFrame);
        this.root.dataset.painted = ++this.painted;
      }
    } finally {
      this.busy = false;
    }
  }

  draw() {
    const { head } = this.packet;
    this.look = lookOf(this.root, this.look);
    clearTimeout(this.waiting);
    if (!this.look.iterate) this.waiting = setTimeout(() => this.gone || this.draw(), 50); // for the style sheet
    this.drawBar();
    this.charts.update(this.packet, this.look);
    this.tiles.update(this.packet);
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
    this.failed = null;
    count = Math.max(count + 1, Date.now());
    this.outbox.push({ name, run: this.packet.head.run, number: count });
    this.send([...this.outbox]);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.giveUp(), PATIENCE);
    this.drawBar();
  }

  giveUp() {
    if (!this.outbox.length || this.gone) return;
    this.outbox = [];
    this.failed = "The server did not answer; please try again.";
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
    this.gone = true;
    clearTimeout(this.timer);
    document.removeEventListener("keydown", this.listener);
    this.charts.destroy();
    this.root.replaceChildren(el("span"));
  }
}
