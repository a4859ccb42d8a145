// The playground: Streamlit calls the default export with every packet; one Playground per place on the page.

import { BoardCharts } from "../shared/board_charts.js";
import { KEYED, download, el, mark, select } from "../shared/dom.js";
import { Guarantees } from "../shared/guarantees.js";
import { lookOf } from "../shared/look.js";
import { Bar } from "./bar.js";
import { chartsOf } from "./charts.js";
import { Facts } from "./facts.js";
import { trajectoryTable } from "./marks.js";
import { Plane } from "./plane.js";
import { View, entry, nextNumber } from "../shared/root.js";
// What those modules import in turn, named here so that all files are fetched in one go.
import "../shared/board_figures.js";
import "../shared/figures.js";
import "../shared/loader.js";
import "../shared/protocol.js";

const PATIENCE = 3000; // ms until an unanswered hand is sent again
const REDRAW = 120; // ms between two drawings of the charts while the iterates move
const SWEEPS = [["first", "vary p₁"], ["second", "vary p₂"], ["weight", "vary α"]];
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

class Playground extends View {
  constructor(parent) {
    super(parent);
    this.shown = new Map(); // start as text -> steps that are seen; Infinity: all there are
    this.number = 0; // of the last hand that was sent
    this.bar = new Bar({
      play: () => this.play(), step: () => this.step(), rewind: () => this.rewind(), clear: () => this.setStarts([]), scrub: (k) => this.scrub(k),
    });
    this.plane = new Plane({
      point: (p, resting) => this.setPoint(p, resting),
      start: (p) => this.setStarts([...this.hand.starts, p].slice(-this.packet.head.most)),
      moveStart: (i, p, resting) => this.moveStart(i, p, resting),
      drop: () => this.setStarts(this.hand.starts.slice(0, -1)),
    });
    this.charts = new BoardCharts();
    this.facts = new Facts();
    this.guarantees = new Guarantees();
    this.sweep = select("Continuation parameter", SWEEPS, "second", (value) => this.setSweep(value));
    const file = (text, label, click) => el("button", { class: "small file", type: "button", title: label, "aria-label": label, click }, text);
    const card = el("figure", { class: "card plane-card" },
      el("div", { class: "caption" }, el("h2", { class: "panel-title" }, "The plane"),
        el("span", { class: "note" }, "drag the data, click to start an iterate"),
        el("span", { class: "tools" }, file("SVG", "The plane: download as SVG", () => this.plane.save()),
          file("CSV", "The trajectories: download as CSV", () => this.save()))),
      this.plane.node);
    this.root.replaceChildren(this.bar.node,
      el("div", { class: "plane-columns" }, el("div", { class: "plane-side" }, card, this.facts.node), this.charts.node), this.guarantees.node);
  }

  /** A packet from the server: the newest one is drawn, and the hand follows it unless it is ahead. */
  receive(packet) {
    this.packet = packet;
    this.paths = packet.head.ends.map((_, i) => rowsOf(packet.blocks[`path:${i}`]));
    const { head } = packet;
    const waiting = this.number > head.ack;
    if (!waiting) {
      this.sent = 0;
      if (this.pending) this.send();
      else if (!this.dragging) this.hand = { point: head.point, starts: head.starts, sweep: head.sweep, before: null };
    }
    this.hand ??= { point: head.point, starts: head.starts, sweep: head.sweep, before: null };
    const fresh = this.meet(head.starts);
    mark(this.root, "data-answered", head.ack);
    this.look = lookOf(this.root, this.look);
    this.draw();
    if (fresh) this.run(true);
    if (!this.dragging) this.plane.tell(this.facts.sentence(head));
    requestAnimationFrame(() => this.markPainted());
  }

  /** New starts begin at their start and shall move, which is returned; those that are known go on where they were. */
  meet(starts) {
    const fresh = starts.map(String).filter((key) => !this.shown.has(key));
    for (const key of this.shown.keys()) if (!starts.some((s) => String(s) === key)) this.shown.delete(key);
    const still = STILL.matches || this.dragging;
    for (const key of fresh) this.shown.set(key, still ? Infinity : 0);
    return fresh.length > 0 && !still;
  }

  get steps() {
    return this.packet.head.starts.map((start, i) => Math.min(this.shown.get(String(start)) ?? Infinity, this.paths[i].length / 3 - 1));
  }

  get last() {
    return Math.max(0, ...this.paths.map((rows) => rows.length / 3 - 1));
  }

  draw() {
    const { head, blocks } = this.packet;
    this.plane.update({
      head, blocks, look: this.look, point: this.hand.point, starts: this.hand.starts, paths: this.paths, shown: this.steps,
    });
    this.drawBar();
    // charts take longer than all the rest: while something is dragged they are drawn less often
    if (!this.dragging || performance.now() - (this.drawn ?? 0) > 2 * REDRAW) this.drawCharts();
    this.facts.update(head);
    this.guarantees.update(head.guarantees, head.explanation);
    mark(this.root, "data-fixed", head.fixed.length);
    mark(this.root, "data-first", head.fixed.length ? head.fixed[0].slice(0, 2).join(" ") : "");
    mark(this.root, "data-starts", head.starts.length);
  }

  drawBar() {
    const { head } = this.packet;
    const steps = this.steps;
    const shown = Math.max(0, ...steps);
    const rows = this.paths.at(-1);
    this.bar.update({
      playing: Boolean(this.timer), k: shown, last: this.last, gap: rows?.length ? rows[3 * steps.at(-1) + 2] : null, ends: head.ends,
      fixed: head.fixed.length, turns: head.turns,
      kinds: [head.fixed.filter(([, , flow]) => !["saddle", "fold"].includes(flow)).length, head.fixed.filter(([, , flow]) => flow === "saddle").length],
    });
    mark(this.root, "data-k", shown);
  }

  drawCharts() {
    this.drawn = performance.now();
    this.charts.update(chartsOf(this.packet, this.paths, this.steps), this.look);
    const card = this.charts.cards.get("sweep");
    if (card && !card.node.contains(this.sweep)) card.note.before(this.sweep);
    if (document.activeElement !== this.sweep) this.sweep.value = this.hand.sweep;
  }

  // ---------------------------------------------------------------- the hand

  setPoint(point, resting) {
    if (!this.dragging) this.hand = { ...this.hand, before: this.hand.point };
    this.dragging = !resting;
    this.change({ point }, resting);
  }

  setStarts(starts) {
    this.change({ starts }, true);
  }

  moveStart(i, point, resting) {
    this.dragging = !resting;
    this.change({ starts: this.hand.starts.map((old, j) => (j === i ? point : old)) }, resting);
  }

  setSweep(sweep) {
    this.change({ sweep }, true);
  }

  /** Draw at once what the browser can do alone, and ask for the rest: one question on the way at a time. */
  change(what, resting) {
    this.hand = { ...this.hand, ...what };
    this.pending = { resting: resting || Boolean(this.pending?.resting) };
    this.draw();
    if (!this.sent || performance.now() - this.sent > PATIENCE) this.send();
  }

  send() {
    const { point, starts, sweep, before } = this.hand;
    this.number = nextNumber();
    this.sent = performance.now();
    const resting = this.pending.resting && !this.dragging;
    this.pending = null;
    this.post({ point, starts, sweep, before, resting, number: this.number });
  }

  // ---------------------------------------------------------------- time

  play() {
    if (this.timer) return this.run(false);
    if (Math.max(0, ...this.steps) >= this.last) this.scrub(0);
    return this.run(true);
  }

  run(on) {
    clearTimeout(this.timer);
    this.timer = null;
    if (on) {
      const tick = () => {
        this.advance();
        const moving = this.steps.some((k, i) => k < this.paths[i].length / 3 - 1);
        this.timer = moving ? setTimeout(tick, 1000 / this.bar.perSecond) : null;
        this.drawMoved(!moving);
      };
      this.timer = setTimeout(tick, 1000 / this.bar.perSecond);
    }
    this.drawMoved(true);
  }

  advance() {
    for (const [i, start] of this.packet.head.starts.entries()) {
      const length = this.paths[i].length / 3 - 1;
      const next = Math.min(this.shown.get(String(start)) ?? Infinity, length) + 1;
      // To the end means to stay there, also when the data change and the way grows longer.
      this.shown.set(String(start), next >= length ? Infinity : next);
    }
  }

  step() {
    this.run(false);
    this.advance();
    this.drawMoved(true);
  }

  rewind() {
    this.run(false);
    this.scrub(0);
  }

  scrub(k) {
    for (const [i, start] of this.packet.head.starts.entries()) {
      this.shown.set(String(start), k >= this.paths[i].length / 3 - 1 && k > 0 ? Infinity : k);
    }
    this.drawMoved(true);
  }

  /** The trajectories and the bar at every step, the charts less often. */
  drawMoved(all) {
    this.plane.animate(this.steps);
    this.drawBar();
    const now = performance.now();
    if (all || now - (this.drawn ?? 0) > REDRAW) this.drawCharts();
  }

  save() {
    download("deqviz-trajectories.csv", trajectoryTable(this.paths), "text/csv");
  }

  /** Space, wherever the focus is, unless something there uses it. */
  key(event) {
    if (event.key !== " " || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || !this.packet) return;
    const owner = event.composedPath().find((node) => node.matches?.(KEYED));
    if (owner && owner !== this.bar.range && owner !== this.plane.handle) return;
    event.preventDefault();
    this.play();
  }

  destroy() {
    clearTimeout(this.timer);
    clearTimeout(this.plane.resting);
    this.charts.destroy();
    super.destroy();
  }
}

/** float64 rows x₁, x₂, gap out of the packet's bytes. */
function rowsOf(bytes) {
  return new Float64Array(bytes.slice().buffer);
}

/** Streamlit's entry. */
export default entry(Playground, "hand");
