// The runs of this session: a card for each, and two of them big beside each other under one zoom.

import { el, icon, mark, say } from "../shared/dom.js";
import { lookOf } from "../shared/look.js";
import { decibels, number } from "../shared/protocol.js";
import { Zoom } from "../shared/zoom.js";

const PIN = "M5.2 1.5h5.6v1.3l-1 .9v3.4l2.2 2v1.3H8.6v4.1L8 15.5l-.6-1V10.4H4V9.1l2.2-2V3.700l-1-.9z";
const STATES = {
  preparing: "preparing", running: "running", paused: "paused", checking: "checking",
  done: "finished", stopped: "stopped", diverged: "diverged", failed: "failed",
};
const HELP = "Click a run to go back to it; pin two to see them side by side.";

class History {
  constructor(parent) {
    this.root = parent.querySelector(".dqv");
    this.cards = el("ul", { class: "runs" });
    this.pair = el("div", { class: "pair", hidden: true });
    this.node = el("section", { class: "card history", "aria-label": "Runs of this session" },
      el("div", { class: "heading" }, el("h2", {}, "Runs of this session"), el("span", { class: "mute" }, HELP)), this.pair, this.cards);
    this.root.replaceChildren(this.node);
  }

  receive({ runs, pins }) {
    this.look = lookOf(this.root, this.look);
    const focused = this.root.contains(document.activeElement) ? document.activeElement.dataset.does : null;
    const shown = JSON.stringify(runs);
    if (shown !== this.shown) this.cards.replaceChildren(...runs.map((run) => this.card(run)));
    this.shown = shown;
    const pinned = JSON.stringify(pins);
    if (pinned !== this.pinned) this.compare(pins);
    this.pinned = pinned;
    if (focused) this.root.querySelector(`[data-does="${CSS.escape(focused)}"]`)?.focus();
    mark(this.root, "data-runs", runs.length);
  }

  card(run) {
    const about = `dqh-${run.id}`;
    const facts = run.picture ? [run.psnr === null ? "" : decibels(run.psnr), `k = ${run.k}`] : [];
    const open = el("button", {
      class: "run", type: "button", "aria-label": `Go back to no. ${run.number}`, "aria-describedby": about, "data-does": `open ${run.id}`,
      "aria-current": run.current ? "true" : null, click: () => this.open(run),
    },
    run.picture ? el("img", { class: "thumb", src: run.picture, alt: "" }) : el("span", { class: "thumb" }),
    el("span", { class: "lines", id: about },
      el("b", {}, [`no. ${run.number}`, facts[0]].filter(Boolean).join(" · ")),
      el("span", { class: "mute" }, [facts[1], STATES[run.state], run.current ? "shown above" : run.kept ? "" : "not kept: runs again"].filter(Boolean).join(" · ")),
      el("span", { class: "words", title: `${run.words}. ${run.particulars}` }, run.words, run.particulars ? el("i", {}, ` · ${run.particulars}`) : null)));
    const pin = el("button", {
      class: "pin", type: "button", title: run.pinned ? "Unpin" : "Pin for comparison", "aria-label": `Pin no. ${run.number}`, "aria-pressed": String(run.pinned),
      "data-does": `pin ${run.id}`, disabled: !run.picture, click: () => this.post({ name: "pin", run: run.id }),
    }, icon(PIN));
    return el("li", { class: run.current ? "item shown" : "item" }, open, pin);
  }

  /** Back to a run, which is shown at the top of the page. */
  open(run) {
    this.post({ name: "open", run: run.id });
    this.root.closest("[data-testid=stMain]")?.scrollTo({ top: 0 });
  }

  /** The pinned runs beside each other, under one zoom. */
  compare(pins) {
    this.zoom?.destroy();
    this.zoom = null;
    this.pair.hidden = !pins.length;
    if (!pins.length) return this.pair.replaceChildren();
    const figures = pins.map((run) => this.figure(run));
    this.level = el("button", { class: "small", type: "button", title: "Show the whole images", click: () => this.zoom.reset() }, "1×");
    const button = (sign, label, factor) =>
      el("button", { class: "small", type: "button", title: label, "aria-label": label, click: () => this.zoom.by(factor) }, sign);
    const tools = el("span", { class: "tools" }, button("−", "Reduce both", 1 / 1.5), this.level, button("+", "Enlarge both", 1.5));
    figures.at(-1).caption.append(tools);
    const missing = el("p", { class: "empty" }, "Pin another run to compare it with this one.");
    this.pair.replaceChildren(...figures.map((f) => f.card), ...(pins.length < 2 ? [missing] : []));
    this.zoom = new Zoom(this.pair, figures.map((f) => f.frame), {
      changed: ({ z }) => { say(this.level, z < 10 ? `${Number(z.toFixed(1))}×` : `${Math.round(z)}×`); this.sharpen(pins, z); }, hovered: () => {},
    });
  }

  figure(run) {
    const [height, width] = run.size;
    const image = el("img", { class: "canvas", src: run.picture, alt: `Last iterate of no. ${run.number}`, draggable: "false" });
    const frame = el("div", {
      class: "frame", tabindex: 0, role: "group", "aria-label": `No. ${run.number}: plus and minus zoom both, arrows move when zoomed`,
    }, el("div", { class: "layer" }, image));
    frame.style.setProperty("--dqv-aspect", `${width} / ${height}`);
    const facts = [
      run.psnr === null ? "no ground truth" : decibels(run.psnr), `k = ${run.k}`, run.residual === null ? "" : `residual ${number(run.residual)}`,
      `${run.evaluations} evaluations`, STATES[run.state],
    ].filter(Boolean);
    const caption = el("div", { class: "caption" }, el("span", { class: "panel-title" }, `No. ${run.number}`), el("span", { class: "note numbers-of" }, facts.join(" · ")));
    const words = el("p", { class: "about" }, run.words, run.particulars ? ` · ${run.particulars}` : "");
    return { frame, caption, card: el("figure", { class: "card panel" }, frame, caption, words) };
  }

  /** Square pixels when enlarged, smooth when reduced, as in the live view. */
  sharpen(pins, z) {
    const shown = (this.pair.querySelector(".dqv-frame")?.clientWidth ?? 0) * z * (window.devicePixelRatio || 1);
    this.pair.classList.toggle("dqv-smooth", shown < Math.max(...pins.map((run) => run.size[1])));
  }

  destroy() {
    this.zoom?.destroy();
  }
}

const views = new Map(); // place on the page -> history

/** Streamlit's entry. */
export default function ({ data, parentElement, setTriggerValue }) {
  const view = views.get(parentElement) ?? new History(parentElement);
  views.set(parentElement, view);
  view.post = (value) => setTriggerValue("command", value);
  view.receive(data);
  return () => setTimeout(() => {
    if (view.root.isConnected) return;
    view.destroy();
    views.delete(parentElement);
  });
}
