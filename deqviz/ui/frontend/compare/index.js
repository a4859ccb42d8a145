// The comparison: Streamlit calls the default export with every packet; one view per place on the page.

import { CompareBar } from "./bar.js";
import { ComparePanels } from "./panels.js";
import { CompareRace } from "./race.js";
import { choices, framesOf, keep, picturesOf, subscribe, take } from "./store.js";
import { CompareTable } from "./table.js";
import { CompareTune } from "./tune.js";
import { el, KEYED, mark } from "../shared/dom.js";
import { lookOf } from "../shared/look.js";
import { columnsOf, nearest } from "../shared/protocol.js";
import { Commander, entry } from "../shared/root.js";
// What those modules import in turn, named here so that all files are fetched in one go.
import "./marks.js";
import "./plot.js";
import "../shared/figures.js";
import "../shared/loader.js";
import "../shared/pixels.js";
import "../shared/zoom.js";

const EXPECTED = { play: "running", pause: "paused", stop: "stopped", reset: "preparing" };
const FAILED = ["error", "diverged"];

class Compare extends Commander {
  constructor(parent) {
    super(parent);
    this.packet = null;
    this.cursor = null; // the k a person scrubbed to, null while following the runs
    this.bar = new CompareBar({
      command: (name) => this.command(name), scrub: (k) => this.scrub(k), replay: () => this.replay(), look: () => this.packet && this.draw(),
    });
    this.grid = el("section", { class: "compare", "aria-label": "Comparison" });
    this.panels = new ComparePanels(this.grid);
    this.race = new CompareRace();
    this.table = new CompareTable();
    this.tune = new CompareTune((name, value) => this.command(name, value));
    this.root.replaceChildren(this.bar.node, this.grid);
    this.unsubscribe = subscribe(() => this.packet && this.draw());
    this.observer = new ResizeObserver(() => this.panels.sharpen());
    this.observer.observe(this.root);
  }

  /** A packet from the server. Only the newest is drawn; every iterate is kept. */
  receive(packet) {
    packet.columns = columnsOf(packet.blocks);
    packet.head.lanes.forEach((lane, i) => {
      const pixels = packet.blocks[`iterate:${i}`];
      if (pixels) keep(lane.run, lane.k, pixels.slice());
    });
    super.receive(packet);
  }

  show(packet) {
    if (this.packet?.head.run !== packet.head.run) {
      this.cursor = null;
      this.stopReplay();
    }
    this.packet = packet;
    this.draw();
  }

  draw() {
    const { head } = this.packet;
    this.look = lookOf(this.root, this.look);
    clearTimeout(this.waiting);
    if (!this.look.iterate) this.waiting = setTimeout(() => this.gone || this.draw(), 50); // for the style sheet
    if (this.panels.arrange(head.lanes)) this.arrange(head.lanes.length);
    this.drawPictures();
    this.table.update(this.packet);
    this.race.update(this.packet, this.look, this.cursor);
    this.tune.update(this.packet, this.look);
  }

  /** Four in a row: what the pictures leave free of the last row is the race's, or of one cell the search's. */
  arrange(count) {
    const free = (4 - ((count + 2) % 4)) % 4;
    mark(this.grid, "data-free", free);
    const cards = free === 1 ? [this.tune, this.race, this.table] : [this.race, this.table, this.tune];
    if (free === 0) cards.splice(0, 3, this.race, this.tune, this.table);
    this.grid.append(...this.panels.cards, ...cards.map((card) => card.node));
  }

  drawPictures() {
    const { head, blocks } = this.packet;
    const pictures = picturesOf(head.run);
    const live = this.cursor === null;
    this.panels.draw(pictures, head.lanes.map((lane, i) => {
      const { ks, frames } = framesOf(lane.run);
      const k = live ? lane.k : (ks[nearest(ks, this.cursor)] ?? lane.k);
      const pixels = live ? (blocks[`iterate:${i}`] ?? null) : (frames.get(k) ?? null);
      return { key: `m${i + 1}`, k, pixels, psnr: live ? lane.psnr : this.qualityAt(i, k), message: lane.message, failed: FAILED.includes(lane.state) };
    }));
    this.drawBar();
    mark(this.root, "data-state", head.state);
    mark(this.root, "data-run", head.run);
    mark(this.root, "data-lanes", head.lanes.map((lane) => lane.state).join(" "));
    mark(this.root, "data-k", live ? "live" : this.cursor);
    mark(this.root, "data-pictures", pictures ? "yes" : "no");
  }

  qualityAt(i, k) {
    const { [`${i}:k`]: ks, [`${i}:psnr`]: values } = this.packet.columns;
    const value = ks?.length ? values[nearest(ks, k)] : NaN;
    return Number.isFinite(value) ? value : null;
  }

  drawBar() {
    if (!this.packet) return;
    const { head } = this.packet;
    const wished = this.outbox.findLast((command) => command.name in EXPECTED);
    const state = wished ? EXPECTED[wished.name] : head.state;
    const ks = [...new Set(head.lanes.flatMap((lane) => framesOf(lane.run).ks))].sort((a, b) => a - b);
    const last = Math.max(0, ...head.lanes.map((lane) => lane.k));
    this.bar.update({
      state, ks, last, enabled: head.enabled[state], message: this.failed ?? head.message, device: head.device,
      k: this.cursor ?? last, live: this.cursor === null, replaying: Boolean(this.replayTimer), judged: picturesOf(head.run)?.truth !== null,
      panels: [["truth", "Ground truth"], ["measured", picturesOf(head.run)?.name || "Measurements"], ...head.lanes.map((lane, i) => [`m${i + 1}`, lane.name])],
    });
  }

  /** Show of each run the kept iterate that is nearest, without the server; the last k means the newest again. */
  scrub(k) {
    if (!this.packet) return;
    if (!this.stepping) this.stopReplay();
    const last = Math.max(0, ...this.packet.head.lanes.map((lane) => lane.k));
    this.cursor = k >= last ? null : k;
    this.drawPictures();
    this.race.update(this.packet, this.look, this.cursor);
  }

  /** Play the kept iterates from the browser's memory. */
  replay() {
    if (this.replayTimer) {
      this.stopReplay();
      this.drawBar();
      return;
    }
    const { ks } = this.bar;
    let i = this.cursor === null ? 0 : Math.max(0, nearest(ks, this.cursor));
    this.replayTimer = setInterval(() => {
      if (i >= ks.length - 1) this.stopReplay();
      this.stepping = true;
      this.scrub(ks[Math.min(i++, ks.length - 1)]);
      this.stepping = false;
    }, 90);
    this.drawBar();
  }

  stopReplay() {
    clearInterval(this.replayTimer);
    this.replayTimer = null;
  }

  /** Ask the server for something; the bar shows the wished state until the answer comes. */
  command(name, value = 0) {
    if (!this.packet) return;
    this.stopReplay();
    if (name === "play" || name === "reset") this.cursor = null;
    this.order({ name, value, run: this.packet.head.run });
    this.drawPictures();
  }

  /** Space and the arrows, wherever the focus is, unless something there uses them. */
  key(event) {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !this.packet) return;
    if (event.composedPath().some((node) => node.matches?.(KEYED) && node !== this.bar.range)) return;
    if (event.key === " ") this.bar.press();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.bar.keyed(event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  destroy() {
    this.stopReplay();
    clearTimeout(this.waiting);
    this.unsubscribe();
    this.observer.disconnect();
    for (const part of [this.panels, this.race, this.tune]) part.destroy();
    super.destroy();
  }
}

/** Streamlit's entry; what is not a view is kept for those that are. */
export default entry(Compare, "command", (packet) => {
  if (packet.head.kind === "view") return false;
  take(packet);
  return true;
});
