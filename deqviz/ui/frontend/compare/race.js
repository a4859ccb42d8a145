// Convergence: one line for each method, against iterations, time or evaluations.

import { switchOf } from "./bar.js";
import { strokeOf, traceOf } from "./marks.js";
import { choices } from "./store.js";
import { escaped, shown } from "../shared/axes.js";
import { download, el, mark, select } from "../shared/dom.js";
import { csv, finer, number } from "../shared/protocol.js";
import { baseLayout, PlotCard } from "./plot.js";

const XS = { k: ["iterations", "iteration k"], seconds: ["time", "computing time of the run (s)"], evaluations: ["evaluations", "evaluations of T"] };
const YS = { residual: ["Residual", "‖T(x) − x‖ / ‖T(x)‖"], psnr: ["PSNR", "PSNR (dB)"], ssim: ["SSIM", "SSIM"] };

export class CompareRace extends PlotCard {
  constructor() {
    super("race", "Convergence");
    this.along = switchOf("Horizontal axis", Object.entries(XS).map(([key, [word]]) => [key, word]), choices.x, (key) => { choices.x = key; this.unzoom(); });
    this.measure = select("Measure", Object.entries(YS).map(([key, [word]]) => [key, word]), choices.y, (key) => { choices.y = key; this.unzoom(); });
    this.log = el("button", {
      class: "small", type: "button", title: "Logarithmic horizontal axis", "aria-pressed": choices.log,
      click: () => { choices.log = !choices.log; mark(this.log, "aria-pressed", choices.log); this.unzoom(); },
    }, "log");
    this.legend = el("div", { class: "legend" });
    this.controls.append(this.measure, this.along, this.log);
    this.frame.before(this.legend);
  }

  update(packet, look, cursor) {
    Object.assign(this, { packet, look, cursor });
    const { lanes } = packet.head;
    const named = JSON.stringify([lanes.map((lane) => lane.name), look.id]);
    if (named !== this.named) {
      this.named = named;
      this.legend.replaceChildren(...lanes.map((lane, i) => el("span", {}, strokeOf(i), lane.name)));
    }
    for (const option of this.measure.options) option.disabled = option.value !== "residual" && !packet.head.tunables.length;
    if (this.measure.selectedOptions[0]?.disabled) this.measure.value = choices.y = "residual";
    super.refresh(packet.head.plotly);
  }

  /** Both columns of method i, of one length. */
  line(i) {
    const { columns } = this.packet;
    const of = (name) => columns[`${i}:${name}`] ?? new Float32Array();
    if (choices.y !== "ssim") return [of(choices.x), of(choices.y)];
    const ks = of("ssim_k");
    if (choices.x === "k") return [ks, of("ssim")];
    const [k, x] = [of("k"), of(choices.x)];
    return [Float32Array.from(ks, (one) => x[k.indexOf(one)] ?? NaN), of("ssim")];
  }

  signature() {
    const { lanes } = this.packet.head;
    const ends = lanes.map((_, i) => { const [x, y] = this.line(i); return [x.length, x.at(-1), y.at(-1)]; });
    return JSON.stringify([this.packet.head.run, this.look.id, this.named, choices.x, choices.y, choices.log, this.room(), this.cursor, ends]);
  }

  figure() {
    const layout = baseLayout(this.look, `${this.packet.head.run}`);
    const traces = [];
    const isLogY = choices.y === "residual";
    this.packet.head.lanes.forEach((lane, i) => {
      const [x, y] = this.line(i);
      const style = traceOf(this.look, i);
      const values = shown(y, isLogY);
      traces.push({
        x: shown(x, choices.log), y: values, name: escaped(lane.name), connectgaps: true, mode: "lines+markers", ...style,
        marker: { ...style.marker, maxdisplayed: 9 }, text: values.map(finer), hovertemplate: "%{text}",
      });
      let end = values.length - 1;
      while (end > 0 && values[end] === null) end--;
      if (end >= 0 && values[end] !== null) {
        traces.push({
          x: [x[end]], y: [values[end]], mode: "markers", showlegend: false, hoverinfo: "skip",
          marker: { ...style.marker, size: 10, line: { color: this.look.panel, width: 1.5 } },
        });
      }
    });
    const drawn = traces.filter((t) => t.name);
    this.axes(layout, { title: XS[choices.x][1], log: choices.log, values: drawn.map((t) => t.x) },
      { title: YS[choices.y][1], log: isLogY, values: drawn.map((t) => t.y) });
    layout.hovermode = choices.x === "k" ? "x unified" : "closest";
    if (this.cursor !== null && choices.x === "k") {
      layout.shapes = [{ type: "line", x0: this.cursor, x1: this.cursor, yref: "paper", y0: 0, y1: 1, line: { color: this.look.mute, width: 1 } }];
    }
    return { traces, layout };
  }

  describe() {
    const ends = this.packet.head.lanes.map((lane, i) => {
      const [x, y] = this.line(i);
      return y.length ? `${lane.name}: ${number(y.at(-1))} at ${number(x.at(-1))}` : `${lane.name}: nothing yet`;
    });
    return `Convergence, ${YS[choices.y][0]} against ${XS[choices.x][0]}. ${ends.join("; ")}`;
  }

  table() {
    const rows = [[], [], []];
    this.packet.head.lanes.forEach((lane, i) => {
      const [x, y] = this.line(i);
      for (let j = 0; j < x.length; j++) [lane.name, x[j], y[j]].forEach((v, c) => rows[c].push(v));
    });
    download(`${this.fileName}.csv`, csv([["method", rows[0]], [choices.x, rows[1]], [choices.y, rows[2]]]), "text/csv");
  }
}
