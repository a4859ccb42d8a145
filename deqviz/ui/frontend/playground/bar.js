// The bar above the plane: play, pause, step, back to the starts, clear, speed, and which iterate is seen.

import { el, icon, ICONS, mark, say, select } from "../shared/dom.js";
import { number } from "../shared/protocol.js";

const SPEEDS = [[4, "4 steps/s"], [15, "15 steps/s"], [60, "60 steps/s"]];
const CLEAR = "M3.4 2.3 8 6.9l4.6-4.6 1.1 1.1L9.1 8l4.6 4.6-1.1 1.1L8 9.1l-4.6 4.6-1.1-1.1L6.9 8 2.3 3.4z";

const WORDS = { running: "Running", paused: "Paused", done: "Finished", diverged: "Diverged" };

export class Bar {
  /** @param {object} on what to call: play(), step(), rewind(), clear(), scrub(k) */
  constructor(on) {
    this.primary = el("button", { class: "button primary", type: "button", title: "Space does the same", click: () => on.play() });
    this.primaryIcon = icon(ICONS.play);
    this.primaryText = el("span", {}, "Play");
    this.primary.append(this.primaryIcon, this.primaryText);
    const button = (d, title, click) => el("button", { class: "button", type: "button", title, "aria-label": title.split(":")[0], click }, icon(d));
    this.step = button(ICONS.step, "Step: one iteration of every trajectory", () => on.step());
    this.rewind = button(ICONS.reset, "Back to the starting points", () => on.rewind());
    this.clear = button(CLEAR, "Clear: remove all trajectories", () => on.clear());
    this.speed = select("Speed", SPEEDS, 15, () => {});
    this.range = el("input", {
      type: "range", min: 0, max: 1, step: 1, value: 0, class: "range", "aria-label": "Iteration", input: () => on.scrub(Number(this.range.value)),
    });
    this.k = el("b");
    this.gap = el("b");
    this.state = el("span", { class: "state" });
    this.message = el("span", { class: "message" });
    this.index = el("span", { title: "Rotation number of the vector field along the boundary = number of nodes and spirals − number of saddles (Poincaré–Hopf)" });
    this.node = el("section", { class: "card bar", "aria-label": "Transport" },
      el("div", { class: "buttons" }, this.primary, this.step, this.rewind, this.clear, this.speed),
      el("div", { class: "scrub" }, this.range),
      el("div", { class: "numbers" }, el("span", { class: "number-k" }, "k = ", this.k), el("span", { class: "number-residual" }, "‖T(x) − x‖ ", this.gap)),
      el("div", { class: "status" }, el("span", { class: "said" }, this.state, this.message), el("div", { class: "facts" }, this.index)));
  }

  get perSecond() {
    return Number(this.speed.value);
  }

  /** @param {object} now playing, k, last (the largest k there is), gap, ends, fixed (how many), turns (index of the border), kinds (nodes and spirals; saddles) */
  update(now) {
    const over = now.k >= now.last;
    say(this.primaryText, now.playing ? "Pause" : over && now.last ? "Replay" : "Play");
    mark(this.primaryIcon.firstChild, "d", now.playing ? ICONS.pause : ICONS.play);
    this.primary.disabled = !now.ends.length;
    this.step.disabled = over;
    this.rewind.disabled = now.k === 0;
    this.clear.disabled = !now.ends.length;
    const end = Math.max(1, now.last);
    mark(this.range, "max", end);
    if (Number(this.range.value) !== now.k) this.range.value = now.k;
    this.range.disabled = !now.last;
    mark(this.range, "aria-valuetext", `iteration ${now.k} of ${now.last}`);
    this.range.style.setProperty("--dqv-shown", now.k / end);
    this.range.style.setProperty("--dqv-kept", 1);
    say(this.k, `${now.k}${now.last ? ` / ${now.last}` : ""}`);
    say(this.gap, number(now.gap));
    const rest = over ? (now.ends.includes("left") ? "diverged" : "done") : "paused";
    const state = now.playing ? "running" : rest;
    mark(this.node, "data-state", state);
    say(this.state, now.ends.length ? WORDS[state] : "Click into the plane to start an iterate");
    say(this.message, summary(now.ends));
    say(this.index, equilibria(now));
  }
}

function summary(ends) {
  const count = (end) => ends.filter((e) => e === end).length;
  const words = [[count("arrived"), "converged"], [count("left"), "diverged"], [count("cut off"), "not converged after 300 iterations"]];
  return words.filter(([n]) => n).map(([n, what]) => `${n} ${what}`).join(", ");
}

function equilibria({ fixed, turns, kinds }) {
  const there = `${fixed} ${fixed === 1 ? "equilibrium" : "equilibria"} in the window`;
  if (turns === null) return there;
  const [round, saddles] = kinds;
  const sum = saddles ? `${round} − ${saddles}` : `${round}`;
  return `${there} · Poincaré–Hopf index of the boundary ${turns}${round - saddles === turns ? ` = ${sum}` : `, counted ${sum}`}`;
}
