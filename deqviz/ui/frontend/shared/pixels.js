// Bytes to coloured pixels: (c, h, w) bytes painted on a canvas of the picture's own size.

/** Black, brown, orange, white in equal steps of lightness. */
export const HEAT = ["#000000", "#2a0c02", "#521803", "#7d2603", "#a93905", "#d15212", "#ec7a37", "#f7a775", "#fcd2b5", "#ffffff"];

/** One 32-bit pixel for each grey level (little endian: alpha, blue, green, red). */
export const GREY = Uint32Array.from({ length: 256 }, (_, v) => (0xff000000 | (v << 16) | (v << 8) | v) >>> 0);

const HOT = Uint32Array.from({ length: 256 }, (_, v) => {
  const at = (v / 255) * (HEAT.length - 1);
  const i = Math.min(HEAT.length - 2, Math.floor(at));
  const [r, g, b] = [1, 3, 5].map((c) => {
    const [low, high] = [HEAT[i], HEAT[i + 1]].map((hex) => parseInt(hex.slice(c, c + 2), 16));
    return Math.round(low + (at - i) * (high - low));
  });
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
});

const sheets = new WeakMap(); // canvas -> its pixels, made once per size

function sheetOf(canvas, width, height) {
  let sheet = sheets.get(canvas);
  if (!sheet || canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    sheet = { context, image, words: new Uint32Array(image.data.buffer) };
    sheets.set(canvas, sheet);
  }
  return sheet;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} pixels (c, h, w)
 * @param {[number, number, number]} shape
 * @param {number} plane the channel to show in grey, or -1 for all three in colour
 */
export function paint(canvas, pixels, [, height, width], plane) {
  const { context, image, words } = sheetOf(canvas, width, height);
  const n = width * height;
  if (plane >= 0) {
    const offset = plane * n;
    for (let i = 0; i < n; i++) words[i] = GREY[pixels[offset + i]];
  } else {
    for (let i = 0; i < n; i++) {
      words[i] = (0xff000000 | (pixels[2 * n + i] << 16) | (pixels[n + i] << 8) | pixels[i]) >>> 0;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Nothing, on a canvas of the picture's own size. */
export function blank(canvas, [, height, width]) {
  const { context, image, words } = sheetOf(canvas, width, height);
  words.fill(0);
  context.putImageData(image, 0, 0);
}

/**
 * |x − truth| · gain on the fixed scale; in colour the worst channel counts.
 * @returns {number} the largest difference in bytes
 */
export function paintError(canvas, pixels, truth, [, height, width], plane, gain) {
  const { context, image, words } = sheetOf(canvas, width, height);
  const n = width * height;
  let largest = 0;
  const [first, last] = plane >= 0 ? [plane, plane] : [0, 2];
  for (let i = 0; i < n; i++) {
    let worst = 0;
    for (let at = first * n + i; at <= last * n + i; at += n) {
      const difference = Math.abs(pixels[at] - truth[at]);
      if (difference > worst) worst = difference;
    }
    if (worst > largest) largest = worst;
    const level = worst * gain;
    words[i] = HOT[level > 255 ? 255 : level];
  }
  context.putImageData(image, 0, 0);
  return largest;
}
