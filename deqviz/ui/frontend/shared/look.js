// Colours and font for the charts, read from the style sheet, which follows Streamlit's theme.

const NAMES = ["text", "mute", "line", "grid", "panel", "iterate", "measured", "predicted", "truth", "error"];

/**
 * @param {HTMLElement} root
 * @param {object|undefined} old returned again when nothing changed
 */
export function lookOf(root, old) {
  const probe = getComputedStyle(root);
  const background = probe.getPropertyValue("--st-background-color").trim();
  const dark = luminance(background) < 0.4;
  // After a change of page the first packet may be drawn before this page's sheet is there: then all is empty.
  const sheet = probe.getPropertyValue("--dqv-radius").trim();
  const id = `${background} ${probe.getPropertyValue("--st-text-color")} ${dark} ${sheet}`;
  if (old?.id === id) return old;
  root.dataset.theme = dark ? "dark" : "light";
  const style = getComputedStyle(root);
  const look = { id, dark, font: probe.getPropertyValue("--st-font").trim() || "sans-serif" };
  for (const name of NAMES) look[name] = style.getPropertyValue(`--dqv-${name}`).trim();
  look.starts = [1, 2, 3, 4, 5, 6].map((i) => style.getPropertyValue(`--dqv-start-${i}`).trim());
  look.shade = [[0, style.getPropertyValue("--dqv-shade-low").trim()], [1, style.getPropertyValue("--dqv-shade-high").trim()]];
  return look;
}

function luminance(colour) {
  const hex = /^#([0-9a-f]{6})/i.exec(colour)?.[1];
  const parts = hex ? [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)) : (colour.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return (0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2]) / 255;
}
