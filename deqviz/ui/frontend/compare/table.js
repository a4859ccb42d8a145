// The table of a comparison: sorted by a click on a header, the best of each column marked.

import { shapeOf } from "./marks.js";
import { choices } from "./store.js";
import { download, el, formula, mark, say } from "../shared/dom.js";
import { lampOf } from "../shared/guarantees.js";
import { fixed, number } from "../shared/protocol.js";

const decimals = (digits) => (v) => (Number.isFinite(v ?? NaN) ? fixed(v, digits) : "–");
const whole = (v) => (Number.isFinite(v ?? NaN) ? v.toLocaleString("en") : "–");
/** From the weakest to the strongest: how a column of statuses is sorted. */
const RANK = ["violated", "hypothesis violated", "not verifiable", "not applicable", "remark", "estimated", "stated", "waiting", "certified"];
/** Key, heading, help, value, text, and which end is best: 1 the largest, −1 the smallest, 0 none. */
const COLUMNS = [
  ["name", "Method", "", (l) => l.name.toLowerCase(), (l) => l.name, 0],
  ["psnr", "PSNR (dB)", "10 log₁₀(1/MSE) of the last iterate", (l) => l.psnr, (l) => decimals(2)(l.psnr), 1],
  ["ssim", "SSIM", "Structural similarity index of the last iterate", (l) => l.ssim, (l) => decimals(3)(l.ssim), 1],
  ["residual", "Residual", "‖T(x) − x‖/‖T(x)‖ of each method's own map: compare the decrease, not the value", (l) => l.residual, (l) => number(l.residual), 0],
  ["k", "Iterations", "", (l) => l.k, (l) => whole(l.k), 0],
  ["evaluations", "Evaluations of T", "Of the method's fixed-point map", (l) => l.evaluations, (l) => whole(l.evaluations), 0],
  ["seconds", "Time (s)", "Computing time of this run alone, without preparation and waiting", (l) => l.seconds, (l) => number(l.seconds), -1],
  ["status", "Guarantee", "What is proved of this method on these data; hover or focus for all statements", (l) => RANK.indexOf(l.status), null, 0],
];

export class CompareTable {
  constructor() {
    this.heads = COLUMNS.map((column) => this.head(column));
    this.body = el("tbody");
    this.files = ["csv", "json"].map((form) => el("button", {
      class: "small file", type: "button", disabled: true, "aria-label": `The table as ${form.toUpperCase()}`, title: "Ready when all runs rest",
      click: () => download(`${this.run}.${form}`.replace(/[^\w.-]+/g, "_"), this.packet.head[form], form === "csv" ? "text/csv" : "application/json"),
    }, form.toUpperCase()));
    this.node = el("section", { class: "card results", "aria-label": "Table" },
      el("div", { class: "caption" }, el("h2", { class: "panel-title" }, "Results"), el("span", { class: "note" }, "★ best finished run"), el("span", { class: "tools" }, ...this.files)),
      el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Results, scrolls sideways" },
        el("table", { class: "sheet" }, el("thead", {}, el("tr", {}, ...this.heads.map((h) => h.cell))), this.body)),
      this.trained = el("div", { class: "sentence trained" }),
      el("p", { class: "sentence" }, "Time is the computing time of each run alone. A residual belongs to each method's own map: compare the decrease, not the value."));
    this.rows = new Map();
    this.drawSort();
  }

  get run() {
    return `deqviz-${this.packet.head.run}`;
  }

  head([key, text, help]) {
    const arrow = el("span", { class: "arrow", "aria-hidden": "true" });
    const button = el("button", { class: "sort", type: "button", title: help, click: () => this.sort(key) }, text, arrow);
    return { key, arrow, cell: el("th", { scope: "col", "data-column": key }, button) };
  }

  /** The first click puts the best on top: the largest, but of names and costs the smallest. */
  sort(key) {
    choices.down = choices.sort === key ? !choices.down : ["psnr", "ssim", "status"].includes(key);
    choices.sort = key;
    this.drawSort();
    if (this.packet) this.update(this.packet);
  }

  drawSort() {
    for (const { key, arrow, cell } of this.heads) {
      const isHere = key === choices.sort;
      mark(cell, "aria-sort", isHere ? (choices.down ? "descending" : "ascending") : "none");
      say(arrow, isHere ? (choices.down ? " ▾" : " ▴") : "");
    }
  }

  update(packet) {
    this.packet = packet;
    const { lanes } = packet.head;
    lanes.forEach((lane, i) => this.fill(this.rows.get(i) ?? this.make(i), lane));
    for (const [i, row] of this.rows) if (i >= lanes.length) { row.node.remove(); this.rows.delete(i); }
    this.order(lanes);
    this.best(lanes);
    this.domains(lanes);
    this.files.forEach((button, i) => {
      button.disabled = !packet.head[["csv", "json"][i]];
      button.title = button.disabled ? "Ready when all runs rest" : `The table as ${["CSV", "JSON"][i]}`;
    });
  }

  make(i) {
    const cells = COLUMNS.map(([key]) => el(key === "name" ? "th" : "td", { "data-column": key, ...(key === "name" && { scope: "row" }) }));
    const row = { cells, node: el("tr", {}, ...cells), values: [], name: el("span", {}) };
    row.state = el("span", { class: "row-state" });
    row.outside = el("span", { class: "row-state outside" });
    cells[0].append(el("span", { class: "who" }, shapeOf(i), row.name, row.state, row.outside));
    for (let c = 1; c < cells.length - 1; c++) cells[c].append(el("span", { class: "value" }), el("span", { class: "star" }));
    this.rows.set(i, row);
    this.body.append(row.node);
    return row;
  }

  fill(row, lane) {
    mark(row.node, "data-method", lane.name);
    mark(row.node, "data-lane-state", lane.state);
    COLUMNS.forEach(([, , , , text], c) => text && say(c ? row.cells[c].firstChild : row.name, text(lane)));
    const failed = ["error", "diverged"].includes(lane.state);
    say(row.state, failed ? (lane.state === "error" ? "failed" : "diverged") : lane.state === "done" ? "" : lane.state);
    row.state.title = lane.message;
    say(row.outside, lane.outside ? "out of domain" : "");
    row.outside.title = lane.trained;
    const shown = JSON.stringify([lane.status, lane.headline, lane.guarantees]);
    if (shown === row.shown) return;
    row.shown = shown;
    row.cells.at(-1).replaceChildren(this.promise(lane));
  }

  /** The lamp that speaks for all, and all statements on hover or focus. */
  promise({ name, status, headline, guarantees, run }) {
    if (!status) return el("span", { class: "lamp" }, "none");
    const sure = guarantees.filter((g) => g[2] === "certified" || g[2] === "waiting").length;
    const id = `dqc-tip-${run}-${name}`.replace(/[^\w-]+/g, "_");
    const tip = el("div", { class: "tip", role: "tooltip", id, hidden: true }, ...guarantees.map(([title, , one, , reason]) =>
      el("p", {}, lampOf(one), " ", el("b", {}, ...formula(title)),
        el("span", { class: "reason" }, ...formula(reason)))));
    const show = (on) => { tip.hidden = !on; if (on) this.place(tip, button); };
    const button = el("button", {
      class: "promise", type: "button", "aria-describedby": id, "data-lamp": status,
      focus: () => show(true), blur: () => show(false), keydown: (event) => event.key === "Escape" && show(false),
    }, lampOf(status), el("span", { class: "headline" }, ...formula(headline)),
    el("span", { class: "tally" }, `${sure} of ${guarantees.length} certified`));
    const box = el("div", { class: "promise-box", mouseenter: () => show(true), mouseleave: () => document.activeElement === button || show(false) }, button, tip);
    return box;
  }

  /** The table scrolls sideways, so what floats over it is placed in the window. */
  place(tip, button) {
    const at = button.getBoundingClientRect();
    const width = Math.min(430, window.innerWidth - 24);
    Object.assign(tip.style, { width: `${width}px`, left: `${Math.max(12, Math.min(at.left, window.innerWidth - width - 12))}px` });
    const height = tip.offsetHeight;
    const isBelow = at.bottom + height + 10 < window.innerHeight;
    tip.style.top = `${isBelow ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
  }

  order(lanes) {
    const column = COLUMNS.find(([key]) => key === choices.sort);
    const order = lanes.map((_, i) => i);
    if (column) {
      const value = (i) => column[3](lanes[i]);
      const lacks = (i) => value(i) === null || value(i) === undefined || Number.isNaN(value(i));
      order.sort((a, b) => {
        if (lacks(a) || lacks(b)) return lacks(a) - lacks(b) || a - b; // what has no number stands last
        const by = value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0;
        return (choices.down ? -by : by) || a - b;
      });
    }
    const wanted = order.map((i) => this.rows.get(i).node);
    if (wanted.some((node, at) => this.body.children[at] !== node)) this.body.append(...wanted);
  }

  /** What each network was trained for, a line each; in equal words once. */
  domains(lanes) {
    const names = new Map();
    for (const { name, trained } of lanes) if (trained) names.set(trained, [...(names.get(trained) ?? []), name]);
    const lines = [...names].map(([text, of]) => `${of.join(", ")}: ${text}`);
    if (lines.join() === this.shown) return;
    this.shown = lines.join();
    this.trained.replaceChildren(...lines.map((line) => el("p", {}, line)));
  }

  /** Among the runs that are over: a number that still moves is the best of nothing. */
  best(lanes) {
    const isOver = ({ state }) => ["done", "checking"].includes(state);
    COLUMNS.forEach(([, , , value, , end], c) => {
      if (!end) return;
      const known = lanes.filter(isOver).map(value).filter((v) => Number.isFinite(v ?? NaN));
      const top = known.length > 1 ? (end > 0 ? Math.max(...known) : Math.min(...known)) : null;
      lanes.forEach((lane, i) => {
        const cell = this.rows.get(i).cells[c];
        const isBest = top !== null && isOver(lane) && value(lane) === top;
        cell.classList.toggle("dqv-best", isBest);
        const star = cell.lastChild;
        if ((star.textContent !== "") === isBest) return;
        star.replaceChildren(...(isBest ? [el("span", { "aria-hidden": "true" }, " ★"), el("span", { class: "unseen" }, " best")] : []));
      });
    });
  }
}
