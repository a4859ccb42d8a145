// The equilibria as a table, for those who read numbers or cannot see the plane.

import { el, formula } from "../shared/dom.js";
import { fixed, number } from "../shared/protocol.js";
import { wordsOf } from "./plane.js";

export class Facts {
  constructor() {
    const heads = ["x*", "flow", "eigenvalues of the flow", "ρ(J_T)", "iterates"];
    this.body = el("tbody", { role: "rowgroup" });
    this.note = el("p", { class: "sentence" });
    this.node = el("section", { class: "card facts-card", tabindex: 0, "aria-label": "Equilibria" },
      el("h2", { class: "title" }, "Equilibria in the window"),
      el("table", { class: "table", role: "table" },
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads.map((h) => el("th", { scope: "col", role: "columnheader" }, ...formula(h))))), this.body),
      this.note);
    this.shown = "";
  }

  update(head) {
    const shown = JSON.stringify([head.fixed, head.asymmetry, head.circulation]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.body.replaceChildren(...head.fixed.map(row));
    const facts = `R: ‖J − Jᵀ‖/‖J‖ = ${number(head.asymmetry)}, ∮⟨R, dx⟩ = ${number(tiny(head.circulation))} around the unit circle`;
    this.note.replaceChildren(...formula(`${facts}: ${head.asymmetry < 1e-12 ? "conservative (gradient field)" : "not conservative (no potential)"}.`));
  }

  /** One sentence for the live region. */
  sentence(head) {
    const said = head.fixed.map(([a, b, flow, attracts]) => `${wordsOf(flow, attracts)} at (${[a, b].map((v) => fixed(v, 2)).join(", ")})`);
    return said.length ? `Equilibria: ${said.join("; ")}` : "No equilibrium in the window";
  }
}

function row([a, b, flow, attracts, radius, values]) {
  const cell = (...content) => el("td", { role: "cell", class: "measured" }, ...content);
  return el("tr", { role: "row" },
    el("th", { scope: "row", role: "rowheader", class: "measured" }, `(${place(a)}, ${place(b)})`),
    cell(flow), cell(eigenvalues(values)), cell(number(radius)), cell(attracts ? "converge" : "diverge"));
}

const place = (v) => (Math.abs(v) < 5e-4 ? "0" : fixed(v, 3));
const tiny = (v) => (Math.abs(v) < 1e-12 ? 0 : v);

function eigenvalues([[re, im], [other]]) {
  const part = (v) => fixed(v, 2);
  return Math.abs(im) > 1e-9 ? `${part(re)} ± ${part(Math.abs(im))}i` : `${part(re)}, ${part(other)}`;
}
