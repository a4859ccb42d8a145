// The board's bar: run, pause, stop, how far it has come, and all rows as files.

import { ICONS, download, el, icon, mark, say } from "../shared/dom.js";

const STATES = {
  preparing: "Preparing", running: "Running", paused: "Paused", done: "Finished", stopped: "Stopped", failed: "Failed",
};
/** What the main button does in each state. */
const PRIMARY = {
  preparing: ["pause", "Pause"], running: ["pause", "Pause"], paused: ["play", "Play"], stopped: ["play", "Resume"],
  done: ["run", "Run"], failed: ["run", "Run"],
};

export class Bar {
  /** @param {(name: string) => void} command */
  constructor(command) {
    this.command = command;
    this.icon = icon(ICONS.pause);
    this.word = el("span", {}, "Pause");
    this.primary = el("button", { class: "button primary", type: "button", title: "Space does the same", click: () => this.press() },
      this.icon, this.word);
    this.stop = this.button("stop", "stop", "Stop: end here and keep the rows computed so far");
    this.again = this.button("run", "reset", "Run again: from the first row");
    this.track = el("div", { class: "progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0 }, el("i", {}));
    this.done = el("b");
    this.total = el("span");
    this.seconds = el("span", { class: "seconds" });
    this.state = el("span", { class: "state", role: "status", "aria-live": "polite" });
    this.message = el("span", { class: "message" });
    this.files = { csv: this.file("csv"), json: this.file("json") };
    this.node = el("section", { class: "card bar", "aria-label": "Run" },
      el("div", { class: "buttons" }, this.primary, this.stop, this.again),
      el("div", { class: "scrub" }, this.track),
      el("div", { class: "numbers" }, el("span", { class: "number-done" }, this.done, this.total), this.seconds,
        el("span", { class: "tools" }, this.files.csv, this.files.json)),
      el("div", { class: "status" }, el("span", { class: "said" }, this.state, this.message)));
  }

  button(name, picture, title) {
    return el("button", { class: "button", type: "button", title, "aria-label": title.split(":")[0], click: () => this.command(name) },
      icon(ICONS[picture]));
  }

  file(form) {
    const word = form.toUpperCase();
    return el("button", {
      class: "small file", type: "button", "aria-label": `All rows as ${word}`, disabled: true, click: () => this.save(form),
    }, word);
  }

  /**
   * @param {object} head of the newest packet
   * @param {string} state the state that is shown: the wished one while an answer is out
   * @param {string|null|undefined} failed what to say instead of the message
   */
  update(head, state, failed) {
    this.head = head;
    this.shown = state;
    const [name, word] = PRIMARY[state];
    say(this.word, word);
    this.icon.firstChild.setAttribute("d", ICONS[name === "pause" ? "pause" : "play"]);
    const enabled = head.enabled[state];
    this.primary.disabled = !enabled.includes(name);
    this.stop.disabled = !enabled.includes("stop");
    this.again.disabled = !enabled.includes("run") || name === "run";
    this.progress(head);
    mark(this.node, "data-state", state === "failed" ? "error" : state);
    say(this.state, STATES[state]);
    say(this.message, failed ?? [head.message, state === "running" ? timeLeft(head.left) : ""].filter(Boolean).join(" · "));
    for (const [form, node] of Object.entries(this.files)) {
      node.disabled = !head[form];
      node.title = head[form] ? `All rows as ${form.toUpperCase()}` : "Ready when the run rests";
    }
  }

  progress({ done, total, unit, seconds, state }) {
    say(this.done, done.toLocaleString("en"));
    say(this.total, total ? ` / ${total.toLocaleString("en")} ${unit}` : ` ${unit}`);
    say(this.seconds, `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`);
    const share = total ? done / total : 0;
    this.track.style.setProperty("--dqv-shown", share);
    this.track.classList.toggle("dqv-waiting", state === "preparing" && !total);
    mark(this.track, "aria-valuemax", total || 1);
    mark(this.track, "aria-valuenow", done);
    mark(this.track, "aria-valuetext", total ? `${done} of ${total} ${unit}` : "being prepared");
  }

  press() {
    if (!this.primary.disabled) this.command(PRIMARY[this.shown][0]);
  }

  save(form) {
    const type = form === "csv" ? "text/csv" : "application/json";
    download(`deqviz-${this.head.run}.${form}`.replace(/[^\w.-]+/g, "_"), this.head[form], type);
  }
}

/** Rounded up, to count calmly; nothing below two seconds. */
function timeLeft(left) {
  if (left === null || left < 2) return "";
  if (left <= 55) return `about ${left < 10 ? Math.ceil(left) : 5 * Math.ceil(left / 5)} s left`;
  return `about ${Math.ceil(left / 60)} min left`;
}
