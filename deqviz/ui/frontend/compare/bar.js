// The bar of a comparison: play, pause, stop and reset of all, the scrubber, and how the pictures are shown.

import { download, el, icon, ICONS, mark, say, select } from "../shared/dom.js";
import { nearest } from "../shared/protocol.js";
import { choices } from "./store.js";

const STATES = { preparing: "Preparing", running: "Running", paused: "Paused", done: "Finished", stopped: "Stopped", failed: "Failed" };
const GAINS = [1, 2, 4, 8, 16].map((g) => [g, `× ${g}`]);

/** Buttons of which one is pressed, with a name for those who cannot see them. */
export function switchOf(label, options, value, chose) {
  const buttons = options.map(([key, text]) => el("button", { class: "choice", type: "button", "data-key": key, click: () => { show(key); chose(key); } }, text));
  const show = (key) => buttons.forEach((button) => mark(button, "aria-pressed", button.dataset.key === key));
  show(value);
  return el("div", { class: "switch", role: "group", "aria-label": label }, ...buttons);
}

export class CompareBar {
  /** @param {object} on what to call: command(name), scrub(k), replay(), look() */
  constructor(on) {
    this.on = on;
    this.ks = [];
    this.icon = icon(ICONS.play);
    this.word = el("span", {}, "Play");
    this.primary = el("button", { class: "button primary", type: "button", title: "Space does the same", click: () => this.press() }, this.icon, this.word);
    this.buttons = {
      stop: this.button("stop", "Stop all: end every run and keep its last iterate"),
      reset: this.button("reset", "Reset all: start every run again"),
    };
    this.range = el("input", {
      type: "range", min: 0, max: 1, step: 1, value: 0, class: "range", "aria-label": "Kept iterates of all methods",
      input: () => this.dragged(), keydown: (event) => this.keyed(event),
    });
    this.k = el("b");
    this.kMax = el("span");
    this.state = el("span", { class: "state", role: "status", "aria-live": "polite" });
    this.message = el("span", { class: "message" });
    this.device = el("span");
    this.mode = switchOf("Images", [["iterate", "Iterates"], ["error", "Errors"]], choices.mode, (key) => { choices.mode = key; on.look(); });
    this.gain = select("Error gain", GAINS, choices.gain, (value) => { choices.gain = Number(value); on.look(); });
    this.wipe = el("select", { class: "select", "aria-label": "Wipe with", title: "Wipe between one image and all others", change: () => { choices.wipe = this.wipe.value; on.look(); } });
    this.node = el("section", { class: "card bar", "aria-label": "Transport" },
      el("div", { class: "buttons" }, this.primary, this.buttons.stop, this.buttons.reset),
      el("div", { class: "scrub" }, this.range),
      el("div", { class: "numbers" }, el("span", { class: "number-k" }, "k = ", this.k, this.kMax)),
      el("div", { class: "status" }, el("span", { class: "said" }, this.state, this.message),
        el("div", { class: "views" }, this.mode, this.gain, el("span", { class: "labelled" }, "Wipe", this.wipe), this.device)));
  }

  button(name, title) {
    return el("button", { class: "button", type: "button", title, "aria-label": title.split(":")[0], click: () => this.on.command(name) }, icon(ICONS[name]));
  }

  /** @param {object} now state, enabled, message, device, kMax, k, last, ks, live, replaying, panels, judged */
  update(now) {
    this.now = now;
    this.ks = now.ks;
    const pauses = now.enabled.includes("pause") || now.replaying;
    this.action = now.replaying ? "replay" : pauses ? "pause" : now.enabled.includes("play") ? "play" : "replay";
    say(this.word, pauses ? "Pause" : this.action === "play" ? "Play" : "Replay");
    mark(this.icon.firstChild, "d", pauses ? ICONS.pause : ICONS.play);
    this.primary.disabled = this.action === "replay" && now.ks.length < 2;
    for (const [name, button] of Object.entries(this.buttons)) button.disabled = !now.enabled.includes(name);
    const end = Math.max(1, now.state === "running" || now.state === "preparing" ? Math.max(now.last, 1) : now.last);
    mark(this.range, "max", end);
    if (Number(this.range.value) !== now.k) this.range.value = now.k;
    this.range.disabled = now.ks.length < 2;
    mark(this.range, "aria-valuetext", `iteration ${now.k} of ${now.last}`);
    this.range.style.setProperty("--dqv-shown", now.k / end);
    this.range.style.setProperty("--dqv-kept", now.last / end);
    say(this.k, now.live ? "newest" : String(now.k));
    say(this.kMax, now.live ? "" : ` / ${now.last}`);
    say(this.state, STATES[now.state] + (now.replaying ? ", replaying" : ""));
    say(this.message, now.message);
    say(this.device, now.device);
    mark(this.node, "data-state", now.state === "failed" ? "error" : now.state);
    this.gain.hidden = choices.mode !== "error";
    const lacks = !now.judged;
    for (const button of this.mode.children) {
      button.disabled = lacks && button.dataset.key === "error";
      button.title = button.disabled ? "There is no ground truth here, so there is no error to show" : "";
    }
    this.partners(now.panels);
  }

  partners(panels) {
    const shown = JSON.stringify(panels);
    if (shown === this.shown) return;
    this.shown = shown;
    this.wipe.replaceChildren(...[["", "off"], ...panels].map(([key, text]) => el("option", { value: key }, text)));
    if (!panels.some(([key]) => key === choices.wipe)) choices.wipe = "";
    this.wipe.value = choices.wipe;
  }

  press() {
    if (this.primary.disabled) return;
    if (this.action === "replay") this.on.replay();
    else this.on.command(this.action);
  }

  dragged() {
    const i = nearest(this.ks, Number(this.range.value));
    if (i >= 0) this.on.scrub(this.ks[i]);
  }

  /** The range's own keys move by one k; ours move by one kept iterate. */
  keyed(event) {
    const far = Math.max(1, Math.round(this.ks.length / 10));
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -far, PageUp: far, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey || !this.ks.length) return;
    event.preventDefault();
    event.stopPropagation();
    const i = nearest(this.ks, this.now.k) + steps[event.key];
    this.on.scrub(this.ks[Math.min(this.ks.length - 1, Math.max(0, i))]);
  }
}

/** Offer a canvas as a lossless picture. */
export function savePicture(canvas, name) {
  canvas.toBlob((blob) => blob && download(`${name}.png`.replace(/[^\w.-]+/g, "_"), blob, "image/png"), "image/png");
}
