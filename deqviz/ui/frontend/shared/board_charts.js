// The cards with charts: Plotly.react in place, zoom that lasts while rows arrive, downloads.

import { lengths } from "./axes.js";
import { boardFigure, rowsOf, swatch, tableOf } from "./board_figures.js";
import { sketch } from "./board_sketch.js";
import { download, el, formula, mark } from "./dom.js";
import { headed } from "./hover.js";
import { CONFIG, loadPlotly } from "./loader.js";
import { csv, number } from "./protocol.js";

const BUDGET = 40; // ms that the charts may take of one update while it runs

export class BoardCharts {
  constructor() {
    this.node = el("section", { class: "charts", "aria-label": "Charts", hidden: true });
    this.cards = new Map(); // key -> card
    this.resizing = new ResizeObserver(() => this.resize());
    this.seeing = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "200px" });
  }

  /** Draw what changed, soon; of several updates the newest counts, and charts out of sight wait. */
  async update(packet, look) {
    if (this.packet?.head.run !== packet.head.run) for (const card of this.cards.values()) this.forget(card);
    Object.assign(this, { packet, look, due: true });
    this.arrange();
    if (!this.Plotly && !this.missing) this.sketch();
    if (this.busy || !this.cards.size) return;
    this.busy = true;
    try {
      if (!this.Plotly && !this.missing) await this.load(packet.head.plotly);
      while (this.due && this.Plotly && !this.gone) {
        this.due = false;
        await this.drawSome(this.packet.head.state === "running" ? BUDGET : Infinity);
        await new Promise(requestAnimationFrame);
      }
    } finally {
      this.busy = false;
    }
  }

  /** Until plotly.js has been read, which takes a second or two, the points are shown without axes. */
  sketch() {
    for (const card of this.cards.values()) {
      const { width, height } = card.frame.getBoundingClientRect();
      const drawing = width ? sketch(card.chart, this.linesOf(card), this.look, width, height) : null;
      card.plot.replaceChildren(...(drawing ? [drawing] : []));
      if (drawing) mark(card.frame, "data-sketched", "");
    }
  }

  async load(file) {
    try {
      this.Plotly = await loadPlotly(file);
    } catch (error) {
      this.missing = el("p", { class: "notice", role: "note" },
        `Charts are missing: ${error.message}. Their data can still be downloaded as CSV.`);
      this.node.prepend(this.missing);
      for (const card of this.cards.values()) card.plot.replaceChildren(); // no chart is better than one without axes
    }
  }

  /** One card for each chart of the packet, in its order; a card keeps its place in the page and its zoom. */
  arrange() {
    const { charts } = this.packet.head;
    const keys = charts.map((chart) => chart.key);
    this.node.hidden = keys.length === 0;
    mark(this.node, "data-count", keys.length);
    for (const [key, card] of this.cards) {
      if (keys.includes(key)) continue;
      this.drop(card);
      this.cards.delete(key);
    }
    charts.forEach((chart, i) => this.say(this.cards.get(chart.key) ?? this.make(chart.key), chart, i));
    const wanted = keys.map((key) => this.cards.get(key).node);
    const there = [...this.node.querySelectorAll(":scope > figure")];
    if (wanted.length !== there.length || wanted.some((node, i) => there[i] !== node)) this.node.append(...wanted);
  }

  make(key) {
    const card = { key, zoom: null, visible: false, signature: "", ready: false, drawn: 0, words: "" };
    card.plot = el("div", { class: "plot", role: "img" });
    card.frame = el("div", { class: "plot-frame", "data-chart": key }, card.plot);
    Object.assign(card, {
      title: el("h2", { class: "panel-title" }), note: el("span", { class: "note" }), formula: el("span", { class: "formula" }),
      sentence: el("p", { class: "sentence" }), legend: el("div", { class: "legend" }),
    });
    card.home = el("button", { class: "small", type: "button", hidden: true, title: "Show everything again", click: () => this.unzoom(card) }, "1×");
    card.svg = el("button", { class: "small file", type: "button", click: () => this.save(card) }, "SVG");
    card.csv = el("button", { class: "small file", type: "button", click: () => this.table(card) }, "CSV");
    card.node = el("figure", { class: "card chart" },
      el("div", { class: "caption" }, card.title, card.note),
      el("div", { class: "subtitle" }, card.formula, el("span", { class: "tools" }, card.home, card.svg, card.csv)),
      card.legend, card.frame, card.sentence);
    this.cards.set(key, card);
    this.resizing.observe(card.frame);
    this.seeing.observe(card.frame);
    return card;
  }

  say(card, chart, index) {
    Object.assign(card, { chart, index });
    this.explain(card, chart);
    const words = JSON.stringify([chart.title, chart.note, chart.formula, chart.sentence]);
    if (words === card.words) return;
    card.words = words;
    for (const name of ["title", "note", "formula", "sentence"]) card[name].replaceChildren(...formula(chart[name]));
    card.note.title = chart.note;
    card.sentence.hidden = !chart.sentence;
    const label = (word) => ({ title: `Download as ${word}`, "aria-label": `${chart.title}: download as ${word}` });
    for (const [button, word] of [[card.svg, "SVG"], [card.csv, "CSV"]]) {
      for (const [name, value] of Object.entries(label(word))) mark(button, name, value);
    }
    mark(card.home, "aria-label", `${chart.title}: show everything again`);
    // a chart that waits to be scrolled to has a name too; drawing it says more
    if (!card.ready) mark(card.plot, "aria-label", chart.title);
  }

  /** The legend: every line that has a name, with its mark. */
  explain(card, chart) {
    const lines = this.linesOf(card);
    // A logarithmic axis has no place for zero: the legend tells of a line that is nothing else.
    const text = (name, [, y]) => (chart.y[1] && y.length && y.every((v) => v === 0) ? `${name}: 0` : name);
    const named = chart.series.map(([name, ...more], i) => [name && text(name, lines[i]), ...more]).filter(([name]) => name);
    const shown = JSON.stringify([named, this.look.id]);
    if (shown === card.legendShown) return;
    card.legendShown = shown;
    card.legend.replaceChildren(...named.map(([name, role, style]) =>
      el("span", {}, swatch(this.look, role, style), el("span", {}, ...formula(name)))));
    card.legend.hidden = named.length < 2;
  }

  /** Draw the charts that waited longest until the time is spent: on a slow machine they take turns. */
  async drawSome(budget) {
    const start = performance.now();
    for (const card of [...this.cards.values()].filter((c) => c.visible).sort((a, b) => a.drawn - b.drawn)) {
      await this.draw(card);
      if (performance.now() - start > budget) return;
    }
  }

  linesOf(card) {
    return card.chart.series.map((_, j) => rowsOf(this.packet.blocks[`series:${card.index}:${j}`]));
  }

  async draw(card) {
    if (this.gone || this.cards.get(card.key) !== card) return;
    const lines = this.linesOf(card);
    const { x, y, series, equal } = card.chart;
    const sums = lines.flatMap((rows) => rows.map(sum));
    const room = { length: lengths(card.frame), zoom: card.zoom };
    const signature = JSON.stringify([this.packet.head.run, this.look.id, room, x, y, series, equal, sums]);
    if (signature === card.signature) return;
    card.signature = signature;
    card.drawn = performance.now();
    const { traces, layout } = boardFigure(card.chart, lines, this.look, this.packet.head.run, room);
    if (!card.ready) card.plot.replaceChildren();
    await this.Plotly.react(card.plot, traces, layout, CONFIG);
    if (!card.ready) this.wire(card);
    mark(card.plot, "aria-label", describe(card.chart, lines));
    card.frame.dataset.draws = Number(card.frame.dataset.draws ?? 0) + 1;
    card.frame.dataset.points = lines.reduce((n, [xs]) => n + xs.length, 0);
  }

  wire(card) {
    card.ready = true;
    card.plot.on("plotly_relayout", (change) => this.relayed(card, change));
    headed(card.plot);
    card.plot.on("plotly_doubleclick", () => this.unzoom(card));
  }

  /** Zoom is ours to remember: Plotly forgets it when the axes' own range grows. */
  relayed(card, change) {
    if (!Object.keys(change).some((key) => /^[xy]axis\.range/.test(key))) return;
    const { xaxis, yaxis } = card.plot.layout;
    card.zoom = { x: [...xaxis.range], y: [...yaxis.range] };
    card.home.hidden = false;
    mark(card.frame, "data-zoom", card.zoom.x.map((v) => v.toPrecision(6)).join(" "));
    this.draw(card); // its ticks are those of the range
  }

  unzoom(card) {
    this.forget(card);
    if (this.Plotly) this.draw(card);
  }

  forget(card) {
    card.zoom = null;
    card.home.hidden = true;
    card.frame.removeAttribute("data-zoom");
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = [...this.cards.values()].find((c) => c.frame === target);
      if (!card) continue;
      card.visible = isIntersecting;
      if (isIntersecting && this.Plotly && this.packet) this.draw(card);
    }
  }

  resize() {
    cancelAnimationFrame(this.resized);
    this.resized = requestAnimationFrame(() => {
      if (this.gone || !this.node.offsetParent) return;
      for (const card of this.cards.values()) if (card.ready) this.Plotly.Plots.resize(card.plot).then(() => this.draw(card));
    });
  }

  save(card) {
    if (!card.ready) return;
    const { width, height } = card.plot.getBoundingClientRect();
    const title = { text: card.chart.title, font: { size: 14, color: this.look.text } };
    // Without a card around it a figure needs a ground of its own: light words would lie on white.
    const layout = { ...card.plot.layout, paper_bgcolor: this.look.panel, showlegend: true, title, width: width + 180, height: height + 30 };
    layout.margin = { ...layout.margin, t: 38 };
    const size = { width: layout.width, height: layout.height };
    this.Plotly.downloadImage({ data: card.plot.data, layout }, { format: "svg", ...size, filename: this.fileName(card) });
  }

  table(card) {
    download(`${this.fileName(card)}.csv`, csv(tableOf(card.chart, this.linesOf(card))), "text/csv");
  }

  fileName(card) {
    return `deqviz-${card.key}-${this.packet.head.run}`.replace(/[^\w.-]+/g, "_").slice(0, 80);
  }

  drop(card) {
    this.resizing.unobserve(card.frame);
    this.seeing.unobserve(card.frame);
    if (card.ready) this.Plotly.purge(card.plot);
    card.node.remove();
  }

  destroy() {
    this.gone = true;
    this.resizing.disconnect();
    this.seeing.disconnect();
    for (const card of this.cards.values()) this.drop(card);
  }
}

/** What a chart shows, for those who cannot see it: its axes, and where every line ends. */
function describe(chart, lines) {
  const ends = chart.series.map(([name], i) => {
    const [x, y] = lines[i];
    return y.length ? `${name}: ${number(y.at(-1))} at ${number(x.at(-1))}` : `${name}: nothing yet`;
  });
  return `${chart.title}, ${chart.y[0]} against ${chart.x[0]}. ${ends.join("; ")}`;
}

function sum(values) {
  let total = values.length;
  for (const v of values) total = total * 1.000001 + (Number.isFinite(v) ? v : 0.123);
  return total;
}
