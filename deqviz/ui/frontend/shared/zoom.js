// One zoom for all pictures: wheel, pinch, drag, keys; the frames follow through two CSS variables.

const MOST = 32;

export class Zoom {
  /**
   * @param {HTMLElement} root carries --dqv-z, --dqv-x, --dqv-y
   * @param {HTMLElement[]} frames
   * @param {{changed: Function, hovered: Function}} on
   */
  constructor(root, frames, on) {
    Object.assign(this, { root, frames, on, z: 1, x: 0, y: 0 });
    this.pointers = new Map();
    this.stop = new AbortController();
    for (const frame of frames) this.listen(frame);
    this.apply();
  }

  listen(frame) {
    const options = { signal: this.stop.signal };
    const on = (name, handler, more = {}) => frame.addEventListener(name, handler, { ...options, ...more });
    on("wheel", (event) => this.wheel(event, frame), { passive: false });
    on("dblclick", () => this.reset());
    on("pointerdown", (event) => this.down(event, frame));
    on("pointermove", (event) => this.move(event, frame));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) on(name, (event) => this.pointers.delete(event.pointerId));
    on("pointerleave", () => this.on.hovered(null));
    on("keydown", (event) => this.key(event));
  }

  /** Position of a pointer in its frame, as fractions. */
  point(event, frame) {
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  /** Where a point of the picture lies in the frame, both as fractions. */
  place(u, v) {
    return [this.x + u * this.z, this.y + v * this.z];
  }

  /** A plain wheel scrolls the page, unless the picture was clicked, is zoomed already, or Ctrl is held. */
  wheel(event, frame) {
    const meant = event.ctrlKey || this.z > 1 || document.activeElement === frame;
    if (!meant || (this.z === 1 && event.deltaY > 0)) return;
    event.preventDefault();
    this.by(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0022)), this.point(event, frame));
  }

  down(event, frame) {
    if (event.button !== 0 || event.target.closest("select, button, [role=slider]")) return;
    this.pointers.set(event.pointerId, { at: this.point(event, frame), frame });
    if (this.z > 1 || this.pointers.size > 1) frame.setPointerCapture(event.pointerId);
  }

  move(event, frame) {
    const here = this.point(event, frame);
    const held = this.pointers.get(event.pointerId);
    if (!held) {
      this.on.hovered([(here[0] - this.x) / this.z, (here[1] - this.y) / this.z], frame);
      return;
    }
    const before = held.at;
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    held.at = here;
    if (other) {
      const gap = (p) => Math.hypot(p[0] - other.at[0], p[1] - other.at[1]);
      this.by(gap(here) / Math.max(1e-3, gap(before)), other.at);
    } else if (this.z > 1) {
      this.pan(here[0] - before[0], here[1] - before[1]);
    }
  }

  key(event) {
    if (event.target.closest("select, [role=slider]") || event.ctrlKey || event.metaKey) return;
    const step = 0.08;
    const pans = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key === "+" || event.key === "=") this.by(1.5);
    else if (event.key === "-") this.by(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (event.key in pans && this.z > 1) this.pan(...pans[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Zoom by a factor, keeping one point of the frame where it is. */
  by(factor, [px, py] = [0.5, 0.5]) {
    const z = Math.min(MOST, Math.max(1, this.z * factor));
    this.x = px - ((px - this.x) * z) / this.z;
    this.y = py - ((py - this.y) * z) / this.z;
    this.z = z < 1.02 ? 1 : z;
    this.apply();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.apply();
  }

  reset() {
    Object.assign(this, { z: 1, x: 0, y: 0 });
    this.apply();
  }

  apply() {
    const inside = (t) => Math.min(0, Math.max(1 - this.z, t));
    this.x = inside(this.x);
    this.y = inside(this.y);
    this.root.style.setProperty("--dqv-z", this.z);
    this.root.style.setProperty("--dqv-x", `${100 * this.x}%`);
    this.root.style.setProperty("--dqv-y", `${100 * this.y}%`);
    this.root.classList.toggle("dqv-zoomed", this.z > 1);
    this.on.changed(this);
  }

  destroy() {
    this.stop.abort();
  }
}
