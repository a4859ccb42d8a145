// The control in the top bar: the address of the page on the clipboard, or that of a page with controls hidden.

import { el, icon, mark, say } from "../shared/dom.js";

const LINK = "M6.7 9.3a3 3 0 0 0 4.3 0l2.3-2.3a3 3 0 0 0-4.3-4.3L7.9 3.8l1 1 1.1-1.1a1.6 1.6 0 0 1 2.3 2.3L10 8.3a1.6 1.6 0 0 1-2.3 0zM9.3 6.7a3 3 0 0 0-4.3 0L2.7 9A3 3 0 0 0 7 13.3l1.1-1.1-1-1L6 12.3A1.6 1.6 0 0 1 3.7 10L6 7.7a1.6 1.6 0 0 1 2.3 0z";
const DOWN = "M3.5 6h9L8 11z";
const SIDEBAR = "sidebar";
const NAME = /^[a-z0-9_.-]{1,120}$/;
const PATIENCE = 2500; // ms for which the button says what it did
const LONG = 60; // letters
const OWN = /^(upload|kspace)-/;
const UPLOAD = "Your own image stays here: whoever opens this link sees the default image instead.";
const BY_HAND = "The browser keeps the clipboard to itself here: copy the address by hand.";

/** Whether an address names a picture that only this server holds, and only for a while. */
const holdsUpload = (address) => [...new URL(address).searchParams.values()].some((value) => OWN.test(value));

/** The text on the clipboard; false where the browser refuses, e.g. on a page without https. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** The address of this page with these controls hidden; commas stay readable. */
function hiding(names) {
  const url = new URL(location.href);
  url.searchParams.delete("hide");
  const link = url.toString();
  return names.length ? `${link}${url.search ? "&" : "?"}hide=${names.join(",")}` : link;
}

/** What a reader calls a control of the sidebar: its label, the text of a button, or what it tells a screen reader. */
function labelOf(control) {
  const label = control.querySelector("[data-testid=stWidgetLabel]") ?? control.querySelector("button[data-testid]");
  const inside = [...control.querySelectorAll("*")].find((node) => node.shadowRoot)?.shadowRoot;
  const text = label?.textContent.trim();
  // A label that explains rather than names: what the fold around it is called.
  const fold = text?.length > LONG ? control.closest("details")?.querySelector("summary [data-testid=stMarkdownContainer]")?.textContent.trim() : "";
  return fold || text || inside?.querySelector("[aria-label]")?.getAttribute("aria-label") || "";
}

/** The sections of the sidebar with their controls [name, label], as they stand there. */
function sections() {
  const found = [["", []]];
  const seen = new Set();
  for (const node of document.querySelectorAll("[data-testid=stSidebar] :is(h2.deqviz-section, [data-testid=stElementContainer][class*=st-key-])")) {
    if (node.matches("h2")) {
      found.push([node.textContent, []]);
      continue;
    }
    const key = [...node.classList].find((name) => name.startsWith("st-key-")).slice(7).toLowerCase();
    const label = node.closest("[class*=st-key-heard_]") ? "" : labelOf(node);
    if (!label || !NAME.test(key) || seen.has(key)) continue;
    seen.add(key);
    found.at(-1)[1].push([key, label]);
  }
  return found.filter(([, controls]) => controls.length);
}

class Share {
  constructor(parent) {
    this.root = parent.querySelector(".dqs");
    this.copy = el("button", { class: "copy", type: "button", click: () => this.copyPage() }, icon(LINK), this.word = el("span", {}, "Copy link"));
    this.more = el("button", {
      class: "more", type: "button", "aria-label": "Teacher link…", title: "Teacher link: hide controls", "aria-haspopup": "dialog", "aria-expanded": "false",
      click: () => (this.sheet.hidden ? this.open() : this.close()),
    }, icon(DOWN));
    // Two regions, there from the beginning: what appears together with its text is not read aloud.
    this.note = el("p", { class: "note", role: "status", "aria-live": "polite" });
    this.field = el("input", { class: "field", type: "text", readonly: true, "aria-label": "Address of this page", focus: (event) => event.target.select() });
    this.byHand = el("div", { class: "sheet by-hand", hidden: true }, this.field);
    this.sheet = el("div", { class: "sheet", role: "dialog", "aria-label": "Teacher link", hidden: true });
    this.root.replaceChildren(el("div", { class: "pair" }, this.copy, this.more), this.note, this.byHand, this.sheet);
    this.root.addEventListener("keydown", (event) => { if (event.key === "Escape") this.escape(event); });
    this.outside = (event) => { if (!event.composedPath().includes(this.root)) this.close(false); };
    document.addEventListener("pointerdown", this.outside);
  }

  receive({ hidden, most }) {
    this.hidden = new Set(hidden.map((name) => name.replaceAll(".", "-")));
    this.most = most;
  }

  /** The whole address of the page on the clipboard. */
  async copyPage() {
    this.close(false);
    await this.hand(location.href, "Copied");
  }

  /** Copy an address and say so; where that is refused, show it. */
  async hand(address, done) {
    const ok = await copied(address);
    const said = [ok ? done : BY_HAND, holdsUpload(address) ? UPLOAD : ""].filter(Boolean);
    say(this.word, ok ? "Copied" : "Copy link");
    mark(this.copy, "data-done", ok);
    say(this.note, said.join(". ").replace("by hand..", "by hand."));
    this.note.classList.toggle("dqv-seen", !ok || said.length > 1);
    this.byHand.hidden = ok;
    if (!ok) {
      this.field.value = address;
      this.field.focus();
      this.field.select();
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.rest(), PATIENCE);
  }

  /** The button says again what it does; a sentence stays until the reader goes on. */
  rest() {
    say(this.word, "Copy link");
    mark(this.copy, "data-done", false);
    if (!this.note.classList.contains("dqv-seen")) say(this.note, "");
  }

  open() {
    this.close(false);
    const whole = this.choice(SIDEBAR, "The whole sidebar");
    const groups = sections().map(([title, controls]) => el("fieldset", {},
      el("legend", {}, title || "Sidebar"), ...controls.map(([name, label]) => this.choice(name, label))));
    this.go = el("button", { class: "go", type: "button", click: () => this.copyTeacher() }, "Copy teacher link");
    this.told = el("p", { class: "told", role: "status" });
    const none = "This page has no controls in its sidebar.";
    this.sheet.replaceChildren(
      el("h2", {}, "Teacher link"),
      el("p", {}, groups.length ? "What is ticked is hidden for whoever opens the link. What runs stays the same." : none),
      ...(groups.length ? [el("div", { class: "list" }, whole, ...groups)] : []),
      el("div", { class: "foot" }, ...(groups.length ? [this.go] : []), el("button", { class: "leave", type: "button", click: () => this.close() }, "Close")),
      this.told);
    this.sheet.hidden = false;
    mark(this.more, "aria-expanded", true);
    this.sheet.querySelector("input, button").focus();
  }

  choice(name, label) {
    const box = el("input", { type: "checkbox", value: name });
    box.checked = this.hidden.has(name);
    return el("label", { class: "choice" }, box, el("span", { title: label }, label));
  }

  async copyTeacher() {
    const ticked = [...this.sheet.querySelectorAll("input:checked")].map((box) => box.value);
    const names = ticked.includes(SIDEBAR) ? [SIDEBAR] : ticked;
    if (!names.length) return say(this.told, "Tick what to hide first.");
    if (names.length > this.most) return say(this.told, `A link hides at most ${this.most} controls: tick the whole sidebar instead.`);
    this.close(false);
    this.copy.focus();
    return this.hand(hiding(names), "Teacher link copied");
  }

  escape(event) {
    if (this.sheet.hidden && this.byHand.hidden) return;
    event.stopPropagation();
    this.close();
  }

  /** Take away whatever is open; the focus goes back to where it came from. */
  close(isFocused = true) {
    const last = this.sheet.hidden ? this.copy : this.more;
    const wasOpen = !this.sheet.hidden || !this.byHand.hidden;
    this.sheet.hidden = this.byHand.hidden = true;
    mark(this.more, "aria-expanded", false);
    this.note.classList.remove("dqv-seen");
    say(this.note, "");
    if (isFocused && wasOpen) last.focus();
  }

  destroy() {
    clearTimeout(this.timer);
    document.removeEventListener("pointerdown", this.outside);
  }
}

const shares = new Map(); // place on the page -> control

/** Streamlit's entry. */
export default function ({ data, parentElement }) {
  const share = shares.get(parentElement) ?? new Share(parentElement);
  shares.set(parentElement, share);
  share.receive(data);
  return () => setTimeout(() => {
    if (share.root.isConnected) return;
    share.destroy();
    shares.delete(parentElement);
  });
}
