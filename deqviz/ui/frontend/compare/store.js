// What the browser keeps of a comparison: the pictures of all, the iterates of each run, what a person chose.

const RUNS = 18;
const FRAMES = 120;
const BYTES = 12e6; // per run

const pictures = new Map(); // comparison -> {truth, measured, shape, name, psnr}
const runs = new Map(); // run -> {frames: Map k -> pixels, ks: ascending}
const listeners = new Set();

/** Pictures of a comparison, null before they have come. */
export const picturesOf = (id) => pictures.get(id) ?? null;

/** The kept iterates of a run, made when it is new; the oldest run goes when there are too many. */
export function framesOf(id) {
  let run = runs.get(id);
  if (!run) {
    run = { frames: new Map(), ks: [] };
    runs.set(id, run);
    if (runs.size > RUNS) runs.delete(runs.keys().next().value);
  }
  return run;
}

/** Keep an iterate; every second one goes, but not the ends, when there are too many. */
export function keep(id, k, pixels) {
  const run = framesOf(id);
  if (run.frames.has(k)) return;
  run.frames.set(k, pixels);
  run.ks = [...run.frames.keys()].sort((a, b) => a - b);
  if (run.ks.length <= FRAMES && run.ks.length * pixels.length <= BYTES) return;
  const last = run.ks.length - 1;
  run.ks.forEach((one, i) => { if (i % 2 === 1 && i !== last) run.frames.delete(one); });
  run.ks = run.ks.filter((one) => run.frames.has(one));
}

/** Take in a packet of pictures or frames and wake the views. */
export function take({ head, blocks }) {
  if (head.kind === "pictures") {
    const { measured, truth = null } = blocks;
    pictures.set(head.run, { truth, measured, shape: measured.shape, name: head.measured_name, psnr: head.measured_psnr });
    if (pictures.size > RUNS) pictures.delete(pictures.keys().next().value);
  } else {
    head.runs.forEach(([id, ks], i) => {
      const all = blocks[`frames:${i}`];
      if (!all) return;
      const size = all.length / ks.length;
      ks.forEach((k, j) => keep(id, k, all.subarray(j * size, (j + 1) * size)));
    });
  }
  for (const listener of listeners) listener();
}

/** Be told that pictures or frames arrived; returns the way to unsubscribe. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What a person chose; kept when the component is taken off the page and put back. */
export const choices = { mode: "iterate", gain: 4, wipe: "", split: 50, x: "k", y: "psnr", log: false, sort: null, down: true, tunable: null };
