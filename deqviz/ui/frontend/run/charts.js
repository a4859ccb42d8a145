// The three charts: cards, Plotly.react in place, the scrubber's cursor, zoom that lasts, downloads.

import { download, el, mark, say, select } from "../shared/dom.js";
import { pathFigure, qualityFigure, residualFigure, thirds } from "../shared/figures.js";
import { lengths } from "../shared/axes.js";
import { CONFIG, loadPlotly, preloadPlotly } from "../shared/loader.js";
import { csv, nearest, number, valueAt } from "../shared/protocol.js";
import { choices } from "./store.js";

const BUDGET = 25; // ms that the charts may take of one live update; an update of all three takes 15 to 50

export class Charts {
  /** @param {(k: number) => void} scrub */
  constructor(scrub) {
    this.scrub = scrub;
    this.quality = el("select", { class: "select", "aria-label": "Quality measure", change: () => this.chose() });
    const residual = el("span", { class: "note formula-note" }, "‖T(x) − x‖ / ‖T(x)‖");
    this.shadeNote = el("span", { class: "note" });
    this.charts = [
      this.card("residual", "Fixed-point residual", residual),
      this.card("quality", "Image quality", this.quality),
      this.card("path", "Trajectory of the iterates", this.shadeNote),
    ];
    this.node = el("section", { class: "charts", "aria-label": "Charts" }, ...this.charts.map((chart) => chart.card));
    this.resizing = new ResizeObserver(() => this.resize());
    this.seeing = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "200px" });
    for (const chart of this.charts) {
      this.resizing.observe(chart.frame);
      this.seeing.observe(chart.frame);
    }
  }

  card(name, title, note) {
    const chart = { name, title, zoom: null, visible: true, signature: "", ready: false, drawn: 0 };
    chart.plot = el("div", { class: "plot", role: "img", "aria-label": title });
    chart.cursor = el("i", { class: name === "path" ? "here" : "cursor", hidden: true });
    chart.frame = el("div", { class: "plot-frame", "data-chart": name }, chart.plot, chart.cursor);
    const action = (text, label, run) => el("button", { class: "small file", type: "button", title: label, "aria-label": label, click: run }, text);
    chart.home = el("button", { class: "small", type: "button", hidden: true, title: "Show everything again", click: () => this.unzoom(chart) }, "1×");
    const tools = el("span", { class: "tools" }, chart.home,
      action("SVG", `${title}: download as SVG`, () => this.picture(chart)),
      action("CSV", `${title}: download as CSV`, () => this.table(chart)));
    chart.card = el("figure", { class: `card chart chart-${name}` },
      el("div", { class: "caption" }, el("h2", { class: "panel-title" }, title), note, tools), chart.frame);
    return chart;
  }

  /**
   * Draw what changed, soon: pictures do not wait for charts, and of several updates the newest counts.
   * Charts that nobody sees wait until they are scrolled to.
   * @param {{head: object, columns: object, blocks: object}} view
   * @param {object} look colours and font
   * @param {number} k the iterate on the screen
   */
  async update(view, look, k) {
    Object.assign(this, { view, look, k, due: true });
    this.options(view.head.quality);
    say(this.shadeNote, view.head.trajectory?.shade ? "shading: residual" : "");
    if (this.busy) return;
    // Reading plotly.js holds the page for a second: fetched at once, it waits for the first iterate's paint.
    if (!this.Plotly && !this.drawable) return preloadPlotly(view.head.plotly);
    this.busy = true;
    try {
      if (!this.Plotly) {
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        await this.load(view.head.plotly);
      }
      while (this.due && this.Plotly && !this.gone) {
        this.due = false;
        await this.drawSome(this.view.head.state === "running" ? BUDGET : Infinity);
        this.moveCursor(this.k);
        await new Promise(requestAnimationFrame);
      }
    } finally {
      this.busy = false;
    }
  }

  /** Whether there is anything for the first drawing, or never will be. */
  get drawable() {
    return this.view.columns.k?.length > 0 || !["preparing", "running"].includes(this.view.head.state);
  }

  async load(file) {
    try {
      this.Plotly = await loadPlotly(file);
      if (!file) this.notice("plotly.js came through the connection: this version of Streamlit does not serve it.");
    } catch (error) {
      this.notice(`Charts are missing: ${error.message}. Their data can still be downloaded as CSV.`);
    }
  }

  notice(text) {
    this.note ??= el("p", { class: "notice", role: "note" });
    this.note.textContent = text;
    this.node.prepend(this.note);
  }

  /** Draw the charts that waited longest until the time is spent: on a slow machine they take turns. */
  async drawSome(budget) {
    const start = performance.now();
    for (const chart of this.charts.filter((c) => c.visible).sort((a, b) => a.drawn - b.drawn)) {
      await this.draw(chart);
      if (performance.now() - start > budget) return;
    }
  }

  figure(chart) {
    const room = { length: lengths(chart.frame), zoom: chart.zoom };
    if (chart.name === "residual") return residualFigure(this.view, this.look, room);
    if (chart.name === "quality") return qualityFigure(this.view, this.look, this.curve(), room);
    return pathFigure(this.view, this.look, room);
  }

  async draw(chart) {
    const signature = this.signature(chart);
    if (signature === chart.signature) return;
    chart.signature = signature;
    chart.drawn = performance.now();
    const { traces, layout, table } = this.figure(chart);
    chart.data = table;
    await this.Plotly.react(chart.plot, traces, layout, CONFIG);
    if (!chart.ready) this.wire(chart);
    mark(chart.plot, "aria-label", this.describe(chart));
    chart.frame.dataset.draws = Number(chart.frame.dataset.draws ?? 0) + 1;
  }

  /** Everything a chart depends on: while it stays the same, nothing is drawn. */
  signature(chart) {
    const { head, columns, blocks } = this.view;
    const shared = [head.run, this.look.id, JSON.stringify([chart.zoom, lengths(chart.frame)])];
    if (chart.name !== "path") {
      const { k = [] } = columns;
      return [...shared, k.length, k[k.length - 1], columns.predicted?.length, JSON.stringify(chart.name === "quality" ? this.curve() : 0)].join("|");
    }
    const paths = head.trajectory?.paths.map((_, i) => sum(blocks[`path:${i}`])) ?? [];
    return [...shared, JSON.stringify(head.trajectory), ...paths, sum(blocks["shade:z"])].join("|");
  }

  wire(chart) {
    chart.ready = true;
    chart.plot.on("plotly_relayout", (change) => this.relayed(chart, change));
    chart.plot.on("plotly_doubleclick", () => this.unzoom(chart));
    chart.plot.on("plotly_click", ({ points }) => {
      const point = points?.[0];
      const k = chart.name === "path" ? point?.customdata : point?.x;
      if (Number.isFinite(k)) this.scrub(k);
    });
  }

  /** Zoom is ours to remember: Plotly forgets it when the axes' own range grows. */
  relayed(chart, change) {
    if (!Object.keys(change).some((key) => /^[xy]axis\.range/.test(key))) return;
    const { xaxis, yaxis } = chart.plot.layout;
    chart.zoom = { x: [...xaxis.range], y: [...yaxis.range] };
    chart.home.hidden = false;
    this.draw(chart).then(() => this.moveCursor(this.k)); // its ticks are those of the range
  }

  unzoom(chart) {
    chart.zoom = null;
    chart.home.hidden = true;
    if (this.view && this.Plotly) this.draw(chart).then(() => this.moveCursor(this.k));
  }

  /** Put the cursor of all charts at iteration k without redrawing them. */
  moveCursor(k) {
    this.k = k;
    for (const chart of this.charts) {
      const at = chart.ready ? this.cursorAt(chart, k) : null;
      chart.cursor.hidden = !at;
      if (at) chart.cursor.style.transform = `translate(${at[0]}px, ${at[1]}px)`;
    }
  }

  cursorAt(chart, k) {
    const { xaxis: x, yaxis: y, _size: size } = chart.plot._fullLayout ?? {};
    if (!x?.d2p || !this.view.columns.k?.length) return null;
    if (chart.name !== "path") {
      const left = x.d2p(k);
      chart.cursor.style.height = `${size.h}px`;
      return left < -1 || left > size.w + 1 ? null : [size.l + left, size.t];
    }
    const block = this.view.blocks["path:0"];
    if (!block?.length) return null;
    const [a, b, ks] = thirds(block);
    const i = nearest(ks, k);
    const [left, top] = [x.d2p(a[i]), y.d2p(b[i])];
    const inside = left >= 0 && left <= size.w && top >= 0 && top <= size.h;
    return inside ? [size.l + left, size.t + top] : null;
  }

  describe(chart) {
    const { columns, head } = this.view;
    const last = columns.k?.[columns.k.length - 1] ?? 0;
    if (chart.name === "path") return `${chart.title}: ${head.trajectory?.paths.join(", ") ?? "none yet"}`;
    const column = chart.name === "residual" ? "residual" : this.curve()?.[0];
    const label = chart.name === "residual" ? chart.title : `${chart.title}, ${this.curve()?.[2] ?? ""}`;
    return `${label}: ${number(valueAt(columns, column, last))} at iteration ${last}`;
  }

  curve() {
    const { quality } = this.view.head;
    return quality.find((c) => c[0] === choices.quality) ?? quality[0] ?? null;
  }

  options(quality) {
    const shown = JSON.stringify(quality.map((c) => [c[0], c[2]]));
    if (shown === this.optionsShown) return;
    this.optionsShown = shown;
    const fresh = select("", quality.map((c) => [c[0], c[2].replace(/ \(.*\)$/, "")]), choices.quality ?? quality[0]?.[0] ?? "", () => {});
    this.quality.replaceChildren(...fresh.children);
    this.quality.value = this.curve()?.[0] ?? "";
    this.quality.hidden = quality.length === 0;
  }

  chose() {
    choices.quality = this.quality.value;
    const chart = this.charts[1];
    chart.zoom = null;
    if (this.view && this.Plotly) this.draw(chart).then(() => this.moveCursor(this.k));
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const chart = this.charts.find((c) => c.frame === target);
      chart.visible = isIntersecting;
      if (isIntersecting && this.view && this.Plotly) this.draw(chart).then(() => this.moveCursor(this.k));
    }
  }

  resize() {
    cancelAnimationFrame(this.resized);
    this.resized = requestAnimationFrame(() => {
      if (this.gone || !this.node.offsetParent) return;
      const drawn = this.charts.filter((chart) => chart.ready).map((chart) => this.Plotly.Plots.resize(chart.plot).then(() => this.draw(chart)));
      // Plotly takes its time: only then do the axes know where the cursor is.
      Promise.all(drawn).then(() => this.gone || !this.view || this.moveCursor(this.k));
    });
  }

  picture(chart) {
    if (!chart.ready) return;
    const { width, height } = chart.plot.getBoundingClientRect();
    const { layout, data } = chart.plot;
    const room = chart.name === "path" ? 46 : 30; // for its name, above a legend of two lines
    const title = { text: chart.title, font: { size: 14, color: this.look.text }, yref: "container", y: 1, yanchor: "top", pad: { t: 10 } };
    const size = { width, height: height + room };
    // Without a card around it a figure needs a ground of its own: light words would lie on white.
    const shown = { ...layout, ...size, title, paper_bgcolor: this.look.panel, margin: { ...layout.margin, t: layout.margin.t + room } };
    this.Plotly.downloadImage({ data, layout: shown }, { format: "svg", ...size, filename: this.fileName(chart) });
  }

  table(chart) {
    if (!this.view) return;
    download(`${this.fileName(chart)}.csv`, csv(this.figure(chart).table), "text/csv");
  }

  fileName(chart) {
    return `deqviz-${chart.name}-${this.view.head.run}`.replace(/[^\w.-]+/g, "_").slice(0, 80);
  }

  destroy() {
    this.gone = true;
    this.resizing.disconnect();
    this.seeing.disconnect();
    for (const chart of this.charts) if (chart.ready) this.Plotly.purge(chart.plot);
  }
}

function sum(values) {
  let total = values?.length ?? 0;
  for (const v of values ?? []) if (Number.isFinite(v)) total = total * 1.000001 + v;
  return total;
}
