// What is guaranteed here, and what one is looking at: two cards of text, redrawn only when they change.

import { el, formula } from "./dom.js";

const WORDS = { holds: "certified", estimated: "estimated", void: "void", violated: "violated", waiting: "waiting" };
const HELP = {
  holds: "Every hypothesis is proved here and the inequality is respected.",
  estimated: "A constant in this statement was only measured.",
  void: "A hypothesis fails here, so nothing is claimed.",
  violated: "The inequality is not respected: a bug or a broken hypothesis.",
  waiting: "Certified; nothing was measured yet.",
};

export class Guarantees {
  constructor() {
    this.body = el("tbody", { role: "rowgroup" });
    const head = ["Statement", "", "Status", "Measured"].map((text) =>
      text ? el("th", { scope: "col", role: "columnheader" }, text) : el("td", { role: "cell" }));
    head[0].colSpan = 2;
    head.splice(1, 1);
    this.equation = el("p", { class: "equation" });
    this.text = el("p", {});
    this.hint = el("p", { class: "mute" });
    this.table = el("section", { class: "card", "aria-label": "What is guaranteed here" },
      el("h2", { class: "title" }, "What is guaranteed here"),
      el("table", { class: "table", role: "table" },
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)), this.body));
    this.card = el("section", { class: "card", "aria-label": "What am I looking at?" },
      el("h2", { class: "title" }, "What am I looking at?"),
      el("div", { class: "text" }, this.equation, this.text, this.hint));
    this.node = el("div", { class: "two" }, this.table, this.card);
    this.shown = "";
  }

  /**
   * @param {Array<[string, string, string, string, string]>} rows name, statement, lamp, measured, reason
   * @param {[string, string, string]|null} explanation equation, text, hint
   */
  update(rows, explanation) {
    const shown = JSON.stringify([rows, explanation]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.body.replaceChildren(...rows.map(line));
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
}

function line([name, statement, lamp, measured, reason]) {
  const word = WORDS[lamp] ?? lamp;
  return el("tr", { role: "row", "data-lamp": lamp },
    el("th", { scope: "row", role: "rowheader", class: "name" }, ...formula(name)),
    el("td", { role: "cell", class: "formula" }, ...formula(statement)),
    el("td", { role: "cell" }, el("span", { class: "lamp", title: HELP[lamp] ?? "" }, word)),
    el("td", { role: "cell", class: "measured" },
      ...formula(measured), reason ? el("span", { class: "reason" }, ...formula(reason)) : null));
}
