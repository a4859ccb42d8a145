// The search for the best value of one number of one method, with its curve.

import { traceOf } from "./marks.js";
import { choices } from "./store.js";
import { download, el, mark, say } from "../shared/dom.js";
import { shown } from "../shared/axes.js";
import { decibels, number } from "../shared/protocol.js";
import { baseLayout, PlotCard } from "./plot.js";

const MOVING = ["preparing", "running"];

export class CompareTune extends PlotCard {
  /** @param {(name: string, value?: number) => void} command */
  constructor(command) {
    super("tune", "Oracle parameter search");
    this.which = el("select", { class: "select which", "aria-label": "Parameter to search", change: () => { choices.tunable = this.which.value; this.say(); } });
    this.find = el("button", { class: "button wide", type: "button", click: () => command(this.isMoving ? "untune" : "tune", Number(this.which.value)) }, "Search");
    this.take = el("button", { class: "button wide", type: "button", title: "Write the best value into this method's widget and run it", click: () => command("take") }, "Use best value");
    this.words = el("p", { class: "tune-words", role: "status", "aria-live": "polite" });
    this.note = null;
    this.frame.before(el("div", { class: "tune-bar" }, this.which, this.find, this.take));
    this.node.append(this.words, el("p", { class: "sentence" }, "The value with the largest PSNR. It uses the ground truth, so it is not available in practice."));
  }

  update(packet, look) {
    Object.assign(this, { packet, look });
    const { tunables, tune } = packet.head;
    const shown = JSON.stringify([tunables.map((t) => t[1]), packet.head.lanes.map((l) => l.name)]);
    if (shown !== this.shown) {
      this.shown = shown;
      this.which.replaceChildren(...tunables.map(([, label], j) => el("option", { value: j }, label)));
      const known = [...this.which.options].some((option) => option.value === choices.tunable);
      this.which.value = known ? choices.tunable : "0";
    }
    if (tune && this.seen !== `${tune.index}`) {
      this.seen = `${tune.index}`;
      this.which.value = String(tune.index);
    }
    this.say();
    super.refresh(packet.head.plotly);
  }

  /** The search, where it is one for what is chosen. */
  get tune() {
    const { tune } = this.packet.head;
    return tune && String(tune.index) === this.which.value ? tune : null;
  }

  get isMoving() {
    return MOVING.includes(this.packet?.head.tune?.state) && Boolean(this.tune);
  }

  say() {
    const { tunables } = this.packet.head;
    const chosen = tunables[Number(this.which.value)];
    const { tune } = this;
    const isJudged = tunables.length > 0;
    this.which.hidden = this.find.hidden = this.take.hidden = this.frame.hidden = !isJudged;
    if (!isJudged) return say(this.words, "There is no ground truth here, or no method has a parameter to search.");
    say(this.find, this.isMoving ? "Stop" : tune?.state === "stopped" ? "Resume" : "Search");
    const best = tune?.best ?? null;
    const values = this.packet.blocks.tune;
    const value = best === null || !tune ? null : values[best];
    this.take.disabled = value === null || Math.abs(value - chosen[4]) <= 1e-6 * Math.abs(value);
    mark(this.node, "data-tune", tune?.state ?? "none");
    mark(this.node, "data-tried", tune?.done ?? 0);
    const progress = tune && tune.state !== "done" ? `${tune.done} of ${tune.total} values tried` : "";
    const said = tune ? [progress, tune.message].filter(Boolean).join(" · ") : `Now ${chosen[2]} = ${number(chosen[4])}. The search takes fifteen runs.`;
    say(this.words, said);
    if (this.ready) this.refresh(this.file);
  }

  signature() {
    const { tune } = this;
    return JSON.stringify([this.which.value, tune, this.look.id, this.room(), this.packet.head.tunables]);
  }

  figure() {
    const { tune } = this;
    const chosen = this.packet.head.tunables[Number(this.which.value)];
    const layout = baseLayout(this.look, `${this.packet.head.run}-${this.which.value}`);
    layout.margin = { l: 50, r: 12, t: 8, b: 40 };
    if (!chosen) return { traces: [], layout };
    const [owner, , symbol, isLog, now, ends] = chosen;
    layout.shapes = [{ type: "line", x0: now, x1: now, yref: "paper", y0: 0, y1: 1, line: { color: this.look.mute, width: 1, dash: "dot" } }];
    layout.annotations = [{ x: isLog ? Math.log10(now) : now, yref: "paper", y: 0, text: " now", showarrow: false, xanchor: "left", yanchor: "bottom", font: { size: 12, color: this.look.mute } }];
    const all = tune ? this.packet.blocks.tune : [];
    const n = all.length / 2;
    const points = Array.from({ length: n }, (_, i) => [all[i], all[n + i]]).sort((a, b) => a[0] - b[0]);
    const [xs, ys] = [0, 1].map((i) => shown(points.map((p) => p[i])));
    this.axes(layout, { title: symbol, log: isLog, values: [ends] }, { title: "PSNR (dB)", values: [ys] });
    if (!n) return { traces: [], layout };
    const style = traceOf(this.look, owner);
    const traces = [{
      x: xs, y: ys, mode: "lines+markers", ...style, name: "tried",
      text: points.map(([x, y]) => `${symbol} = ${number(x)}: ${decibels(y)}`), hovertemplate: "%{text}<extra></extra>",
    }];
    if (tune.best !== null) {
      traces.push({
        x: [all[tune.best]], y: [all[n + tune.best]], mode: "markers", hoverinfo: "skip", name: "best",
        marker: { symbol: "star", size: 15, color: this.look.text, line: { color: this.look.panel, width: 1 } },
      });
    }
    return { traces, layout };
  }

  describe() {
    return `PSNR against the value. ${this.tune?.message || "No value was tried yet"}`;
  }

  table() {
    if (this.tune?.csv) download(`${this.fileName}.csv`, this.tune.csv, "text/csv");
  }
}
