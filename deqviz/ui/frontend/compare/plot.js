// A card with one chart of the comparison: Plotly.react in place, zoom that lasts, SVG and CSV.

import { axis, lengths } from "../shared/axes.js";
import { el, mark } from "../shared/dom.js";
import { CONFIG, loadPlotly } from "../shared/loader.js";

export function baseLayout(look, run) {
  return {
    autosize: true, uirevision: run, margin: { l: 58, r: 14, t: 8, b: 42 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.font, size: 12, color: look.mute }, showlegend: false, dragmode: "zoom", hoverdistance: 30,
    hoverlabel: { bgcolor: look.panel, bordercolor: look.line, font: { family: look.font, size: 12, color: look.text } },
  };
}

/** A kind has `signature()`, `figure()`, `describe()` and `table()`, and sets `packet` and `look`. */
export class PlotCard {
  constructor(key, title) {
    Object.assign(this, { key, title, zoom: null, ready: false, drawn: "" });
    const action = (text, run) => el("button", { class: "small file", type: "button", title: `Download as ${text}`, "aria-label": `${title}: download as ${text}`, click: run }, text);
    this.home = el("button", { class: "small", type: "button", hidden: true, title: "Show everything again", click: () => this.unzoom() }, "1×");
    this.tools = el("span", { class: "tools" }, this.home, action("SVG", () => this.save()), action("CSV", () => this.ready && this.table()));
    this.heading = el("h2", { class: "panel-title" }, title);
    this.controls = el("div", { class: "controls" });
    this.plot = el("div", { class: "plot", role: "img", "aria-label": title });
    this.frame = el("div", { class: "plot-frame", "data-chart": key }, this.plot);
    this.node = el("section", { class: `card chart ${key}`, "aria-label": title },
      el("div", { class: "caption" }, this.heading, this.controls, this.tools), this.frame);
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.frame);
  }

  /** Both axes of a figure: each its title, whether it is logarithmic, its ends where they are given, and the values on it. */
  axes(layout, x, y) {
    const { length, zoom } = this.room();
    layout.xaxis = axis(this.look, x.title, { ...x, length: length.x, zoom: zoom?.x, across: true }, x.values);
    layout.yaxis = axis(this.look, y.title, { ...y, length: length.y, zoom: zoom?.y }, y.values);
  }

  /** What of its place and of what a person did the figure depends on. */
  room() {
    return { length: lengths(this.frame), zoom: this.zoom };
  }

  /** Draw, soon: of several updates the newest counts. */
  async refresh(file) {
    this.file = file;
    this.due = true;
    if (this.busy) return;
    this.busy = true;
    try {
      if (!this.Plotly) {
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); // pictures first
        this.Plotly = await loadPlotly(file);
      }
      while (this.due && !this.gone) {
        this.due = false;
        await this.draw();
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      this.notice(error);
    } finally {
      this.busy = false;
    }
  }

  notice(error) {
    if (this.note) return;
    this.note = el("p", { class: "notice", role: "note" }, `The chart is missing: ${error.message}. The table has its numbers.`);
    this.node.append(this.note);
  }

  async draw() {
    if (!this.node.offsetParent) return;
    const signature = this.signature();
    if (signature === this.drawn) return;
    this.drawn = signature;
    const { traces, layout } = this.figure();
    await this.Plotly.react(this.plot, traces, layout, CONFIG);
    if (!this.ready) this.wire();
    mark(this.plot, "aria-label", this.describe());
    this.frame.dataset.draws = Number(this.frame.dataset.draws ?? 0) + 1;
  }

  wire() {
    this.ready = true;
    this.plot.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((name) => /^[xy]axis\.range/.test(name))) return;
      const { xaxis, yaxis } = this.plot.layout;
      this.zoom = { x: [...xaxis.range], y: [...yaxis.range] };
      this.home.hidden = false;
      this.refresh(this.file); // its ticks are those of the range
    });
    this.plot.on("plotly_doubleclick", () => this.unzoom());
  }

  unzoom() {
    this.zoom = null;
    this.home.hidden = true;
    if (this.packet) this.refresh(this.file);
  }

  resize() {
    cancelAnimationFrame(this.resized);
    this.resized = requestAnimationFrame(() => {
      if (!this.gone && this.ready && this.node.offsetParent) this.Plotly.Plots.resize(this.plot).then(() => this.refresh(this.file));
    });
  }

  save() {
    if (!this.ready) return;
    const { width, height } = this.plot.getBoundingClientRect();
    const layout = { ...this.plot.layout, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, width: width + 60, height: height + 90 };
    layout.margin = { ...layout.margin, t: 84 };
    this.Plotly.downloadImage({ data: this.plot.data, layout }, { format: "svg", width: layout.width, height: layout.height, filename: this.fileName });
  }

  get fileName() {
    return `deqviz-${this.key}-${this.packet.head.run}`.replace(/[^\w.-]+/g, "_").slice(0, 80);
  }

  destroy() {
    this.gone = true;
    this.resizing.disconnect();
    if (this.ready) this.Plotly.purge(this.plot);
  }
}
