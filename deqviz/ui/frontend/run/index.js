// The live view: Streamlit calls the default export with every packet; one LiveView per place on the page.

import { Charts } from "./charts.js";
import { KEYED, mark } from "../shared/dom.js";
import { Guarantees } from "../shared/guarantees.js";
import { lookOf } from "../shared/look.js";
import { Panels } from "./panels.js";
import { columnsOf, valueAt } from "../shared/protocol.js";
import { Commander, entry } from "../shared/root.js";
import { runOf, subscribe, take } from "./store.js";
import { Transport } from "./transport.js";
// What those modules import in turn, named here so that all files are fetched in one go.
import "../shared/figures.js";
import "../shared/loader.js";
import "../shared/pixels.js";
import "../shared/zoom.js";

const EXPECTED = { play: "running", pause: "paused", step: "paused", stop: "stopped" };

class LiveView extends Commander {
  constructor(parent) {
    super(parent);
    this.view = null; // the newest packet that was drawn
    this.cursor = null; // the k a person scrubbed to, null while following the run
    this.transport = new Transport({
      command: (name, value) => this.command(name, value),
      scrub: (k) => this.scrub(k),
      live: () => this.scrub(Infinity),
      replay: () => this.replay(),
    });
    this.panels = new Panels();
    this.charts = new Charts((k) => this.scrub(k));
    this.guarantees = new Guarantees();
    this.root.replaceChildren(this.transport.node, this.panels.node, this.charts.node, this.guarantees.node);
    this.unsubscribe = subscribe((id) => id === this.view?.head.run && this.drawPictures());
    this.observer = new ResizeObserver(() => this.panels.sharpen());
    this.observer.observe(this.root);
  }

  /** A packet from the server. Only the newest is drawn; every iterate is kept. */
  receive(packet) {
    packet.columns = columnsOf(packet.blocks);
    const { head, blocks } = packet;
    if (blocks.iterate) runOf(head.run).keep(head.k, blocks.iterate.slice(), false);
    super.receive(packet);
  }

  get frozen() {
    return ["paused", "stopped"].includes(this.expected?.state);
  }

  /** What the unanswered commands will make of the run, by themselves. */
  get expected() {
    const last = this.outbox.findLast((command) => command.name in EXPECTED);
    if (!last) return undefined;
    // a run that is being checked has arrived: what stops is the checking
    const arrived = last.name === "stop" && this.view?.head.state === "checking";
    return { state: arrived ? "done" : EXPECTED[last.name] };
  }

  show(packet) {
    // after Pause was pressed the picture stands still, whatever was on its way
    if (this.frozen && this.view?.head.run === packet.head.run) return false;
    if (this.view?.head.run !== packet.head.run) {
      this.cursor = null;
      this.stopReplay();
    }
    this.view = packet;
    this.look = lookOf(this.root, this.look);
    this.drawPictures();
    this.charts.update(packet, this.look, this.shownK);
    this.guarantees.update(packet.head.guarantees, packet.head.explanation);
    return true;
  }

  get shownK() {
    return this.cursor ?? this.view.head.k;
  }

  /** Pictures, captions and the bar for the iterate that is to be seen. */
  drawPictures() {
    if (!this.view) return;
    const { head, columns, blocks } = this.view;
    const run = runOf(head.run);
    const live = this.cursor === null;
    const k = this.shownK;
    this.panels.setPictures(run.pictures);
    const at = (name) => valueAt(columns, name, k);
    this.panels.draw(live ? (blocks.iterate ?? run.frames.get(k)?.pixels ?? null) : run.frames.get(k)?.pixels, {
      k, psnr: live ? (head.psnr ?? at("psnr")) : at("psnr"), errorMax: live ? (head.error_max ?? at("error_max")) : at("error_max"),
    });
    this.drawBar();
  }

  drawBar() {
    const { head, columns } = this.view;
    const run = runOf(head.run);
    const live = this.cursor === null;
    const k = this.shownK;
    const speed = this.outbox.findLast((command) => command.name === "speed")?.value ?? head.speed;
    const state = this.expected?.state ?? head.state;
    this.transport.update({
      state, speed, k, live,
      enabled: head.enabled[state],
      message: this.failed ?? head.message,
      rate: head.rate,
      device: head.device,
      kMax: head.k_max,
      last: Math.max(head.k, run.ks.at(-1) ?? 0),
      ks: run.ks,
      residual: live ? (head.residual ?? valueAt(columns, "residual", k)) : valueAt(columns, "residual", k),
      evaluations: live ? (head.evaluations ?? valueAt(columns, "evaluations", k)) : valueAt(columns, "evaluations", k),
      replaying: Boolean(this.replayTimer),
    });
    mark(this.root, "data-state", head.state);
    mark(this.root, "data-moving", head.is_moving);
    mark(this.root, "data-run", head.run);
    mark(this.root, "data-k", k);
    mark(this.root, "data-newest", head.k);
  }

  /** Show a kept iterate at once, without the server; the newest one means following the run again. */
  scrub(k) {
    if (!this.view) return;
    if (!this.stepping) this.stopReplay();
    const { ks } = runOf(this.view.head.run);
    const last = ks.at(-1) ?? 0;
    const near = ks.reduce((best, one) => (Math.abs(one - k) < Math.abs(best - k) ? one : best), last);
    this.cursor = k >= last || near === last ? null : near;
    this.drawPictures();
    this.charts.moveCursor(this.shownK);
  }

  /** Play the kept iterates from the browser's memory. */
  replay() {
    if (this.replayTimer) {
      this.stopReplay();
      this.drawBar();
      return;
    }
    const { ks } = runOf(this.view.head.run);
    let i = this.cursor === null ? 0 : ks.indexOf(this.cursor);
    const pause = 1000 / Math.min(this.view.head.speed || 12, 12);
    this.replayTimer = setInterval(() => {
      if (i >= ks.length - 1) this.stopReplay();
      this.stepping = true;
      this.scrub(ks[Math.min(i++, ks.length - 1)]);
      this.stepping = false;
    }, pause);
    this.drawBar();
  }

  stopReplay() {
    clearInterval(this.replayTimer);
    this.replayTimer = null;
  }

  /** Ask the server for something; the bar shows the wished state until the answer comes. */
  command(name, value = 0) {
    if (!this.view) return;
    this.stopReplay();
    if (name === "play" || name === "step" || name === "reset") this.cursor = null;
    this.order({ name, value, run: this.view.head.run });
    this.drawPictures();
  }

  /** Space and the arrows, wherever the focus is, unless something there uses them. */
  key(event) {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // the path, because a widget may sit in a shadow root; the view's own buttons use Space alone
    const [target] = event.composedPath();
    const inside = this.root.contains(target);
    const owner = event.composedPath().find((node) => node.matches?.(KEYED));
    const free = !owner || (inside && (event.key === " " ? owner === this.transport.range : owner.matches("button")));
    if (!free || !this.view) return;
    // elsewhere Home and End scroll the page
    const moves = { ArrowLeft: -1, ArrowRight: 1, ...(inside && { Home: -Infinity, End: Infinity }) };
    if (event.key === " ") this.transport.press();
    else if (event.key in moves) this.transport.move(moves[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  destroy() {
    this.stopReplay();
    this.unsubscribe();
    this.observer.disconnect();
    this.panels.destroy();
    this.charts.destroy();
    super.destroy();
  }
}

/** Streamlit's entry; what is not a view is kept for those that are. */
export default entry(LiveView, "command", (packet) => {
  if (packet.head.kind === "view") return false;
  take(packet);
  return true;
});
