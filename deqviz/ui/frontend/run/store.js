// What the browser keeps of each run. It outlives the component: leaving the page and coming back loses nothing.

const RUNS = 4;
const FRAMES = 160;
const BYTES = 24e6; // per run; 48 colour pictures of 400 × 400, or 160 grey ones

const runs = new Map();
const listeners = new Set();

class Run {
  constructor(id) {
    this.id = id;
    this.pictures = null; // {truth (null where nobody knows it), measured, shape, low, high, name, psnr, note}
    this.frames = new Map(); // k -> {pixels, pinned}
    this.ks = []; // ascending
  }

  /** Keep an iterate; pinned ones came from the server on purpose and are never thinned. */
  keep(k, pixels, pinned) {
    const known = this.frames.get(k);
    if (known) {
      known.pinned ||= pinned;
      return;
    }
    this.frames.set(k, { pixels, pinned });
    if (this.ks.length === 0 || k > this.ks.at(-1)) this.ks.push(k);
    else this.ks = [...this.frames.keys()].sort((a, b) => a - b);
    if (this.ks.length > FRAMES || this.ks.length * pixels.length > BYTES) this.thin();
  }

  /** Every second iterate goes, but not the first, the last or a pinned one. */
  thin() {
    const last = this.ks.length - 1;
    this.ks.forEach((k, i) => {
      if (i % 2 === 1 && i !== last && !this.frames.get(k).pinned) this.frames.delete(k);
    });
    this.ks = this.ks.filter((k) => this.frames.has(k));
  }
}

/** The run of this id, made when it is new; the oldest run goes when there are too many. */
export function runOf(id) {
  let run = runs.get(id);
  if (!run) {
    run = new Run(id);
    runs.set(id, run);
    for (const old of runs.keys()) {
      if (runs.size <= RUNS) break;
      if (old !== id) runs.delete(old);
    }
  }
  return run;
}

/** Take in a packet of pictures or frames and wake the views. */
export function take({ head, blocks }) {
  const run = runOf(head.run);
  if (head.kind === "pictures") {
    run.pictures = {
      truth: blocks.truth ?? null,
      measured: blocks.measured,
      shape: blocks.measured.shape,
      low: head.low ?? 0,
      high: head.high ?? 1,
      name: head.measured_name,
      psnr: head.measured_psnr,
    };
  } else if (blocks.frames) {
    const size = blocks.frames.length / head.k.length;
    head.k.forEach((k, i) => run.keep(k, blocks.frames.subarray(i * size, (i + 1) * size), true));
  }
  for (const listener of listeners) listener(head.run);
}

/** Be told the id of a run whose pictures or frames arrived; returns the way to unsubscribe. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What a person chose; kept when the component is taken off the page and put back. */
export const choices = { gain: 4, channel: "RGB", wipe: false, partner: "measured", split: 50, quality: null };
