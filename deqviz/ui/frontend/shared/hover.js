// The head of Plotly's hover box: it would write 6.1×10⁻⁵ and 1.2e+4, where every other number reads 6.1·10⁻⁵ and 12345.

import { finer } from "./protocol.js";

/** @param {HTMLElement} plot a chart of Plotly whose box says the horizontal value alone */
export function headed(plot) {
  plot.on("plotly_hover", ({ points }) => {
    const head = plot.querySelector(".hoverlayer .legendtitletext");
    if (head && Number.isFinite(points[0]?.x)) head.textContent = finer(points[0].x);
  });
}
