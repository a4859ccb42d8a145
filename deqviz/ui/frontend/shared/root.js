// What our components have in common: the entry that Streamlit calls, one view per place on the page, the commands.

import { el } from "./dom.js";
import { supplyPlotly } from "./loader.js";
import { decode } from "./protocol.js";

const TRIES = 5; // times that a command is sent, a second apart, until it is given up

let count = Date.now(); // what is sent is numbered across all views and visits

/** The number of the next thing that is sent: larger than all before it, also those of an earlier visit. */
export function nextNumber() {
  count = Math.max(count + 1, Date.now());
  return count;
}

/**
 * The entry of a component: Streamlit calls it with every packet.
 * @param {new (parent: Element) => View} Kind the view that is made for a place where there is none yet
 * @param {string} trigger the name under which the server hears of what the view sends
 * @param {(packet: object) => boolean} [take] keeps a packet that is not to be seen; says whether it was one
 */
export function entry(Kind, trigger, take = () => false) {
  const views = new Map(); // place on the page -> view
  return ({ data, parentElement, setTriggerValue }) => {
    if (!(data instanceof Uint8Array)) return undefined;
    const packet = decode(data);
    const isScript = packet.head.kind === "script";
    if (isScript) supplyPlotly(packet.blocks.script);
    if (isScript || take(packet)) {
      parentElement.querySelector(".dqv")?.classList.add("dqv-store");
      return undefined;
    }
    const view = views.get(parentElement) ?? new Kind(parentElement);
    views.set(parentElement, view);
    view.post = (value) => setTriggerValue(trigger, value);
    view.receive(packet);
    return () => setTimeout(() => leave(views, view, parentElement));
  };
}

/**
 * Streamlit also calls the clean-up of a call that newer data overtook while the module was loading,
 * and then the component is still on the page: only one that is really gone is taken down.
 */
function leave(views, view, parentElement) {
  if (view.root.isConnected) return;
  view.destroy();
  views.delete(parentElement);
}

/** What fills one place on the page and hears the keys, wherever the focus is; see `key` of each kind. */
export class View {
  constructor(parent) {
    this.root = parent.querySelector(".dqv");
    this.root.tabIndex = -1; // a click into the view takes the focus from the widget that had it
    this.painted = 0;
    this.listener = (event) => this.key(event);
    document.addEventListener("keydown", this.listener);
  }

  /** After paint: what the tests and the eye wait for. */
  markPainted() {
    this.root.dataset.painted = ++this.painted;
  }

  destroy() {
    this.gone = true;
    document.removeEventListener("keydown", this.listener);
    this.root.replaceChildren(el("span"));
  }
}

/**
 * A view that draws the newest packet only and sends commands until the server acknowledges them.
 * A kind has `show(packet)`, which returns false for what it would not draw, and `drawBar()`.
 */
export class Commander extends View {
  constructor(parent) {
    super(parent);
    this.outbox = []; // commands that the server has not acknowledged
  }

  /** A packet from the server. */
  receive(packet) {
    this.outbox = this.outbox.filter((command) => command.number > packet.head.ack);
    if (!this.outbox.length) clearTimeout(this.timer);
    this.next = packet;
    if (!this.busy) this.pump();
  }

  async pump() {
    this.busy = true;
    try {
      while (this.next && !this.gone) {
        const packet = this.next;
        this.next = null;
        if (this.show(packet) === false) continue;
        await new Promise(requestAnimationFrame);
        this.markPainted();
      }
    } finally {
      this.busy = false;
    }
  }

  /** Send a command, and with it all that are still unanswered. */
  order(command) {
    this.failed = null;
    this.outbox.push({ ...command, number: nextNumber() });
    this.tries = TRIES;
    this.send();
  }

  /** Again and again until all are acknowledged: a rerun that the page itself asks for may take a click's place. */
  send() {
    clearTimeout(this.timer);
    if (!this.outbox.length || this.gone) return;
    if (!this.tries--) {
      this.giveUp();
      return;
    }
    this.post({ commands: [...this.outbox] });
    this.timer = setTimeout(() => this.send(), 1000);
  }

  giveUp() {
    this.outbox = [];
    this.failed = "The server did not answer; please try again.";
    this.drawBar();
  }

  destroy() {
    clearTimeout(this.timer);
    super.destroy();
  }
}
