// What is guaranteed here, and what one is looking at: two cards of text, redrawn only when they change.

import { el, formula } from "./dom.js";
import { Symbols } from "./symbols.js";

/** Of every status its word, where that is another, and what it means; in the order of the legend. */
const STATUSES = {
  certified: ["certified", "Every hypothesis is proved here, and the inequality holds."],
  waiting: ["certified", "Every hypothesis is proved here; no value yet."],
  stated: ["certified under your stated constant", "Follows from a constant that you state; nobody checked it."],
  estimated: ["estimated", "A constant was only measured, or training asked for it; it holds wherever it was looked at."],
  violated: ["violated", "Checked and false: the value is above its bound."],
  "hypothesis violated": ["hypothesis violated", "A hypothesis is false here, so nothing is claimed."],
  "not verifiable": ["not verifiable", "Whether a hypothesis holds cannot be decided here, so nothing is claimed."],
  "not applicable": ["not applicable", "The statement speaks of something that does not occur here."],
  remark: ["remark", "True by the way it is made, or no inequality: nothing to certify."],
};

/** A status as a mark and its word. */
export function lampOf(status) {
  const [word, help] = STATUSES[status] ?? [status, ""];
  return el("span", { class: "lamp", "data-status": status, title: help }, word);
}

/** What the marks mean. */
function legend() {
  const lines = Object.entries(STATUSES).map(([status, [, help]]) => el("div", { role: "listitem" }, lampOf(status), el("span", {}, help)));
  const note = el("p", {}, "A bound is written as bound + allowance: what rounding and unfinished solves may add. A value is exact, or ≥ where it is a lower bound of what it stands for. Both are of the iteration k, and relative to what is named.");
  return el("details", { class: "legend" }, el("summary", {}, "What the marks mean"), el("div", { role: "list" }, ...lines), note);
}

export class Guarantees {
  constructor() {
    this.body = el("tbody", { role: "rowgroup" });
    const head = ["Statement", "", "Status", "Value"].map((text) =>
      text ? el("th", { scope: "col", role: "columnheader" }, text) : el("td", { role: "cell" }));
    head[0].colSpan = 2;
    head.splice(1, 1);
    this.equation = el("p", { class: "equation" });
    this.text = el("p", {});
    this.hint = el("p", { class: "mute" });
    this.table = el("section", { class: "card", "aria-label": "What is guaranteed here" },
      el("h2", { class: "title" }, "What is guaranteed here"),
      el("table", { class: "table", role: "table" },
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)), this.body), legend());
    this.card = el("section", { class: "card", "aria-label": "What am I looking at?" },
      el("h2", { class: "title" }, "What am I looking at?"),
      el("div", { class: "text" }, this.equation, this.text, this.hint));
    this.node = el("div", { class: "two" }, this.table, this.card);
    this.shown = "";
    this.symbols = new Symbols();
    this.lines = [];
  }

  /**
   * @param {Array<[string, string, string, string, string, Array]>} rows
   *   name, statement, status, its value and bound, reason, symbols
   * @param {[string, string, string]|null} explanation equation, text, hint
   */
  update(rows, explanation) {
    const shown = JSON.stringify([rows, explanation]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.fill(rows);
    this.table.hidden = rows.length === 0;
    this.card.hidden = !explanation;
    this.node.hidden = this.table.hidden && this.card.hidden;
    this.node.classList.toggle("dqv-single", this.table.hidden || this.card.hidden);
    if (!explanation) return;
    const [equation, text, hint] = explanation;
    this.equation.replaceChildren(...formula(equation));
    this.text.replaceChildren(...formula(text));
    this.hint.replaceChildren(...formula(hint ? `Try: ${hint.replace(/^try:\s*/i, "")}` : ""));
  }

  /** A line stays as long as it says the same of the same: what is hovered or focused in it stays too. */
  fill(rows) {
    this.lines = rows.map((row, i) => (this.lines[i]?.says(row) ? this.lines[i] : new Line(row, this.symbols)));
    this.lines.forEach((line, i) => line.update(rows[i]));
    this.lines.forEach(({ node }, i) => this.body.children[i] === node || this.body.insertBefore(node, this.body.children[i] ?? null));
    while (this.body.children.length > rows.length) this.body.lastChild.remove();
  }
}

/** One line of the table. */
class Line {
  constructor([name, statement, , , , symbols], notes) {
    this.key = JSON.stringify([name, statement, symbols]);
    this.lamp = el("td", { role: "cell" });
    this.measured = el("td", { role: "cell", class: "measured" });
    this.node = el("tr", { role: "row" },
      el("th", { scope: "row", role: "rowheader", class: "name" }, ...formula(name)),
      el("td", { role: "cell", class: "formula" }, ...notes.nodes(statement, symbols)),
      this.lamp, this.measured);
  }

  says([name, statement, , , , symbols]) {
    return this.key === JSON.stringify([name, statement, symbols]);
  }

  update([, , status, numbers, reason]) {
    this.node.setAttribute("data-lamp", status);
    this.lamp.replaceChildren(lampOf(status));
    this.measured.replaceChildren(...formula(numbers), ...(reason ? [el("span", { class: "reason" }, ...formula(reason))] : []));
  }
}
