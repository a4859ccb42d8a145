// The symbols of a statement: hovered, focused or touched, each shows what the glossary says of it.

import { el, formula } from "./dom.js";

const WIDTH = 320;
let made = 0;

/** One note for all symbols of a table; it floats, so nothing moves when it opens. */
export class Symbols {
  constructor() {
    this.note = el("span", { class: "gloss", id: `dqv-gloss-${++made}`, hidden: true });
    this.box = null;
    this.away = (event) => this.box.contains(event.target) || this.hide();
    this.follow = () => this.place(this.box.firstChild.getBoundingClientRect()); // focus may scroll the page
  }

  /**
   * The statement as nodes.
   * @param {string} statement
   * @param {Array<[number, number, string, string, string, string, string]>} symbols in the order of their places:
   *   start, stop, symbol, term, line, its value here or "", an address or ""
   */
  nodes(statement, symbols) {
    let at = 0;
    const nodes = symbols.flatMap((symbol) => {
      const before = formula(statement.slice(at, symbol[0]));
      at = symbol[1];
      return [...before, this.symbol(statement.slice(...symbol), symbol)];
    });
    return [...nodes, ...formula(statement.slice(at))];
  }

  symbol(text, symbol) {
    // No button element: a line of a formula would break beside it.
    const button = el("span", { role: "button", tabindex: 0, class: "symbol" }, ...formula(text));
    const box = el("span", { class: "symbol-box" }, button);
    const show = () => this.show(box, button, symbol);
    box.addEventListener("mouseenter", show);
    box.addEventListener("focusin", show);
    button.addEventListener("click", show); // a touch need not focus
    box.addEventListener("mouseleave", () => box.contains(document.activeElement) || this.hide(box));
    box.addEventListener("focusout", (event) => box.contains(event.relatedTarget) || this.hide(box));
    box.addEventListener("keydown", (event) => event.key === "Escape" && this.hide(box));
    return box;
  }

  show(box, button, [, , symbol, term, line, value, address]) {
    if (this.box === box) return;
    this.hide();
    this.box = box;
    this.note.replaceChildren(
      el("b", {}, el("span", { class: "formula" }, ...formula(symbol)), `\u2002${term}`),
      value ? el("span", { class: "gloss-value" }, el("span", { class: "formula" }, ...formula(symbol)), ` ${value} here`) : "",
      el("span", {}, ...formula(line)),
      address ? el("a", { href: address, target: "_blank", rel: "noopener" }, "Glossary") : "");
    box.append(this.note);
    this.note.hidden = false;
    button.setAttribute("aria-describedby", this.note.id);
    this.place(button.getBoundingClientRect());
    window.addEventListener("pointerdown", this.away, true);
    window.addEventListener("scroll", this.follow, true);
  }

  hide(box = this.box) {
    if (!this.box || box !== this.box) return;
    this.box.firstChild.removeAttribute("aria-describedby");
    this.box = null;
    this.note.hidden = true;
    window.removeEventListener("pointerdown", this.away, true);
    window.removeEventListener("scroll", this.follow, true);
  }

  /** Below the symbol, above it where there is no room; touching it, so that a pointer can move over. */
  place(at) {
    const width = Math.min(WIDTH, window.innerWidth - 24);
    const left = Math.max(12, Math.min(at.left, window.innerWidth - width - 12));
    this.note.style.cssText = `max-width: ${width}px; left: ${left}px; top: ${at.bottom}px`;
    const height = this.note.offsetHeight;
    if (at.bottom + height > window.innerHeight) this.note.style.top = `${Math.max(0, at.top - height)}px`;
  }
}
