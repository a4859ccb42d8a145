// The bar: play, pause, step, stop, reset, speed, the scrubber and the numbers beside it.

import { el, icon, ICONS, mark, say, select } from "../shared/dom.js";
import { nearest, number } from "../shared/protocol.js";

const SPEEDS = [[0, "full speed"], [10, "10 it/s"], [3, "3 it/s"], [1, "1 it/s"]];
const WORDS = {
  preparing: "Preparing",
  running: "Running",
  paused: "Paused",
  checking: "Checking",
  done: "Finished",
  stopped: "Stopped",
  diverged: "Diverged",
  error: "Failed",
};

export class Transport {
  /**
   * @param {object} on what to call: command(name, value), replay(), scrub(k), live()
   */
  constructor(on) {
    this.on = on;
    this.ks = [];
    this.primary = el("button", { class: "button primary", type: "button", title: "Space does the same", click: () => this.press() });
    this.primaryIcon = icon(ICONS.play);
    this.primaryText = el("span", {}, "Play");
    this.primary.append(this.primaryIcon, this.primaryText);
    this.buttons = {
      step: this.button("step", "Step: one iteration, then pause"),
      stop: this.button("stop", "Stop: end this run and keep its last iterate"),
      reset: this.button("reset", "Reset: start again from the first iterate"),
    };
    this.speed = select("Speed limit", SPEEDS, 0, (value) => on.command("speed", Number(value)));
    this.range = el("input", {
      type: "range", min: 0, max: 1, step: 1, value: 0, class: "range", "aria-label": "Kept iterates",
      input: () => this.dragged(), keydown: (event) => this.keyed(event),
    });
    this.back = el("button", { class: "chip back", type: "button", hidden: true, click: () => on.live() }, "Back to live");
    this.k = el("b");
    this.kMax = el("span");
    this.residual = el("b");
    this.state = el("span", { class: "state", role: "status", "aria-live": "polite" });
    this.message = el("span", { class: "message" });
    this.rate = el("b");
    this.evaluations = el("b");
    this.device = el("span");
    this.node = this.assemble();
  }

  button(name, title) {
    return el("button", {
      class: "button", type: "button", title, "aria-label": title.split(":")[0], click: () => this.on.command(name),
    }, icon(ICONS[name]));
  }

  assemble() {
    const numbers = el("div", { class: "numbers" },
      el("span", { class: "number-k" }, "k = ", this.k, this.kMax),
      el("span", { class: "number-residual" }, "residual ", this.residual));
    this.pace = el("span", {}, this.rate, " it/s");
    const facts = el("div", { class: "facts" }, this.pace,
      el("span", {}, this.evaluations, " evaluations"), this.device);
    return el("section", { class: "card bar", "aria-label": "Transport" },
      el("div", { class: "buttons" }, this.primary, this.buttons.step, this.buttons.stop, this.buttons.reset, this.speed),
      el("div", { class: "scrub" }, this.range, this.back),
      numbers,
      el("div", { class: "status" }, el("span", { class: "said" }, this.state, this.message), facts));
  }

  /**
   * @param {object} now state, message, enabled, speed, rate, device, kMax, ks (kept), last (newest k),
   *   and of the iterate on the screen: k, residual, evaluations; live: whether that is the newest
   */
  update(now) {
    this.ks = now.ks;
    this.now = now;
    this.drawPrimary(now);
    for (const [name, button] of Object.entries(this.buttons)) button.disabled = !now.enabled.includes(name);
    this.speed.disabled = !now.enabled.includes("speed");
    if (document.activeElement !== this.speed) this.speed.value = now.speed;
    this.drawRange(now);
    this.drawNumbers(now);
    say(this.state, WORDS[now.state] + (now.replaying ? ", replaying" : ""));
    mark(this.node, "data-state", now.state);
    // The word stands before it already.
    say(this.message, now.message.replace(/^Diverged: /, ""));
  }

  drawPrimary({ state, enabled, replaying }) {
    const plays = enabled.includes("play");
    const pauses = enabled.includes("pause") || replaying;
    this.action = replaying ? "hold" : pauses ? "pause" : plays ? "play" : "replay";
    const text = { hold: "Pause", pause: "Pause", play: "Play", replay: "Replay" }[this.action];
    say(this.primaryText, text);
    mark(this.primaryIcon.firstChild, "d", pauses ? ICONS.pause : ICONS.play);
    this.primary.disabled = this.action === "replay" && (state === "preparing" || this.ks.length < 2);
  }

  drawRange({ k, kMax, last, ks, state }) {
    const over = !["preparing", "running", "paused"].includes(state);
    const end = Math.max(1, over || !kMax ? last : Math.max(kMax, last));
    mark(this.range, "max", end);
    if (Number(this.range.value) !== k) this.range.value = k;
    this.range.disabled = ks.length < 2;
    mark(this.range, "aria-valuetext", `iteration ${k} of ${last}`);
    this.range.style.setProperty("--dqv-shown", k / end);
    this.range.style.setProperty("--dqv-kept", last / end);
  }

  drawNumbers({ k, kMax, residual, rate, evaluations, device, live, state }) {
    say(this.k, String(k));
    say(this.kMax, kMax ? ` / ${kMax}` : "");
    say(this.residual, number(residual));
    say(this.rate, number(rate));
    this.pace.hidden = rate === null || rate === undefined;
    say(this.evaluations, evaluations === null || evaluations === undefined ? "–" : String(evaluations));
    say(this.device, device);
    this.back.hidden = live || state !== "running";
  }

  press() {
    if (this.primary.disabled) return;
    if (this.action === "replay" || this.action === "hold") this.on.replay();
    else this.on.command(this.action);
  }

  dragged() {
    const i = nearest(this.ks, Number(this.range.value));
    if (i >= 0) this.on.scrub(this.ks[i]);
  }

  /** The range's own keys move by one k; ours move by one kept iterate. */
  keyed(event) {
    const far = Math.max(1, Math.round(this.ks.length / 10));
    const steps = {
      ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -far, PageUp: far,
      Home: -Infinity, End: Infinity,
    };
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(steps[event.key]);
  }

  /** Scrub by a number of kept iterates. */
  move(by) {
    if (!this.ks.length || !this.now) return;
    const i = nearest(this.ks, this.now.k) + by;
    this.on.scrub(this.ks[Math.min(this.ks.length - 1, Math.max(0, i))]);
  }
}
