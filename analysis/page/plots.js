"use strict";

// Lines, steps or dots over time (or over another column): zoom, readout, log or linear.

const HEIGHT = 250;
const EDGE = { left: 58, right: 12, top: 10, bottom: 40 };
const DIGIT_WIDTH = 6.7;
const MIN_WIDTH = 120;
const MARKED_POINTS = 60;
const READOUT_LINES = 12;

/** The part of the horizontal axis that is shown, shared by the plots of a run. */
class View {
  constructor() {
    this.range = null;
    this.plots = [];
  }

  show(range) {
    this.range = range;
    for (const plot of this.plots) plot.draw();
  }
}

class Plot {
  constructor(figure, spec, view) {
    this.figure = figure;
    this.spec = spec;
    this.view = view;
    this.isLog = Boolean(spec.log);
    [this.xColumn, this.yColumn] = [spec.xs[0], spec.ys[0]];
    this.tools();
    const classOf = (index) => colourClass(spec.series[index].colour);
    this.legend = new Legend(figure, spec.series.map((s) => s.name), classOf, () => this.draw());
    this.frame = html("div", { class: "frame" }, figure);
    this.picture = svg("svg", { class: "picture", tabindex: "0", role: "img" }, this.frame);
    this.picture.setAttribute("aria-label", `${spec.title}; ${KEYS}`);
    this.readout = html("div", { class: "readout", "aria-live": "polite", hidden: "" }, this.frame);
    if (spec.note) html("p", { class: "note" }, figure, spec.note);
    this.listen();
    view.plots.push(this);
  }

  tools() {
    const caption = html("figcaption", {}, this.figure);
    html("span", { class: "title" }, caption, this.spec.title);
    const box = html("span", { class: "tools", role: "group", "aria-label": "tools" }, caption);
    this.choice(box, "vertical axis", this.spec.ys, (column) => (this.yColumn = column));
    this.choice(box, "horizontal axis", this.spec.xs, (column) => {
      this.xColumn = column;
      this.view.range = null;
    });
    const log = this.button(box, "log", "logarithmic or linear vertical axis", () => {
      this.isLog = !this.isLog;
      log.setAttribute("aria-pressed", String(this.isLog));
      this.draw();
    });
    log.setAttribute("aria-pressed", String(this.isLog));
    this.button(box, "+", "zoom in", () => this.zoom(0.5));
    this.button(box, "\u2212", "zoom out", () => this.zoom(2));
    this.button(box, "whole", "show the whole axis", () => this.view.show(null));
  }

  button(box, text, label, act) {
    const button = html("button", { type: "button", title: label, "aria-label": label }, box, text);
    button.addEventListener("click", act);
    return button;
  }

  choice(box, label, columns, chosen) {
    if (columns.length < 2) return;
    const select = html("select", { "aria-label": label, title: label }, box);
    columns.forEach((column, k) => html("option", { value: k }, select, column.label));
    select.addEventListener("change", () => {
      chosen(columns[select.value]);
      this.draw();
    });
  }

  // --- what is shown ---

  /** The series that are shown, as points of the chosen columns. */
  shown() {
    const lines = this.spec.series.map((series, index) => ({
      series,
      index,
      x: series.columns[this.xColumn.name],
      y: series.columns[this.yColumn.name],
    }));
    return lines.filter((l) => l.x && l.x.length && l.y && !this.legend.hidden.has(l.index));
  }

  isDrawn(y) {
    return y !== null && (!this.isLog || y > 0);
  }

  wholeRange() {
    let [low, high] = this.spec.whole && this.xColumn === this.spec.xs[0] ? this.spec.whole : [0, 0];
    for (const series of this.spec.series) {
      const x = series.columns[this.xColumn.name];
      if (x && x.length) high = Math.max(high, x[x.length - 1]);
    }
    return [low, high > low ? high : low + 1];
  }

  range() {
    return this.view.range || this.wholeRange();
  }

  /** First and last point of a line to draw; those just outside lead in and out. */
  ends(line) {
    const [low, high] = this.range();
    const first = Math.max(0, firstAtLeast(line.x, low) - 1);
    return [first, Math.min(line.x.length - 1, firstAtLeast(line.x, high))];
  }

  verticalRange(lines) {
    let [low, high] = [Infinity, -Infinity];
    const take = (y) => ([low, high] = [Math.min(low, y), Math.max(high, y)]);
    for (const line of lines) {
      const [first, last] = this.ends(line);
      for (let k = first; k <= last; k++) if (this.isDrawn(line.y[k])) take(line.y[k]);
    }
    if (low > high) return this.isLog ? [0.1, 1] : [0, 1];
    if (this.isLog) return [low / 1.1, high * 1.1];
    if (this.spec.fromZero) take(0);
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    return [this.spec.fromZero && low === 0 ? 0 : low - room, high + room];
  }

  // --- drawing ---

  draw() {
    const width = this.frame.clientWidth;
    if (width < MIN_WIDTH) return;
    this.width = width;
    const lines = this.shown();
    const [[x0, x1], [y0, y1]] = [this.range(), this.verticalRange(lines)];
    const xTicks = linearTicks(x0, x1, width / 100);
    const yTicks = this.isLog ? logTicks(y0, y1, 5) : linearTicks(y0, y1, 5);
    const longest = Math.max(0, ...yTicks.map((tick) => tick.text.length));
    this.left = Math.max(EDGE.left, 30 + longest * DIGIT_WIDTH);
    const scale = this.isLog ? Math.log : (value) => value;
    const [inside, height] = [width - this.left - EDGE.right, HEIGHT - EDGE.top - EDGE.bottom];
    this.toX = (x) => this.left + ((x - x0) / (x1 - x0)) * inside;
    this.fromX = (pixel) => x0 + ((pixel - this.left) / inside) * (x1 - x0);
    this.toY = (y) => EDGE.top + height * (1 - (scale(y) - scale(y0)) / (scale(y1) - scale(y0)));
    this.picture.replaceChildren();
    this.picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.clip(inside, height);
    this.axes(xTicks, yTicks);
    this.inside = svg("g", { "clip-path": `url(#${this.clipName})` }, this.picture);
    this.bands(height);
    this.marks();
    for (const line of lines) this.line(line);
    if (!lines.length) this.say("nothing is shown");
    this.pointer = svg("g", { class: "pointer" }, this.picture);
    if (!this.readout.hidden) this.read(this.readAt, HEIGHT / 2);
  }

  clip(width, height) {
    this.clipName = `clip-${this.spec.id}`;
    const clip = svg("clipPath", { id: this.clipName }, this.picture);
    svg("rect", { x: this.left, y: EDGE.top - 3, width, height: height + 6 }, clip);
  }

  axes(xTicks, yTicks) {
    const [right, bottom] = [this.width - EDGE.right, HEIGHT - EDGE.bottom];
    const group = svg("g", { class: "axes" }, this.picture);
    for (const { value, text } of yTicks) {
      const y = this.toY(value).toFixed(1);
      svg("path", { class: "grid", d: `M${this.left} ${y}H${right}` }, group);
      svg("text", { x: this.left - 6, y, dy: "0.32em", "text-anchor": "end" }, group, text);
    }
    for (const { value, text } of xTicks) {
      const x = this.toX(value).toFixed(1);
      svg("path", { class: "tick", d: `M${x} ${bottom}v4` }, group);
      svg("text", { x, y: bottom + 16, "text-anchor": "middle" }, group, text);
    }
    svg("path", { class: "axis", d: `M${this.left} ${EDGE.top}V${bottom}H${right}` }, group);
    const middle = (this.left + right) / 2;
    const label = { class: "label", "text-anchor": "middle" };
    svg("text", { ...label, x: middle, y: HEIGHT - 6 }, group, this.xColumn.label);
    const turned = `translate(13 ${(EDGE.top + bottom) / 2}) rotate(-90)`;
    svg("text", { ...label, transform: turned }, group, this.yColumn.label);
  }

  bands(height) {
    if (this.xColumn !== this.spec.xs[0]) return;
    for (const [from, to] of this.spec.bands || []) {
      const [x, end] = [this.toX(from), this.toX(to)];
      const place = { x, y: EDGE.top, width: Math.max(end - x, 0.5), height };
      svg("rect", { class: "band", ...place }, this.inside);
    }
  }

  marks() {
    for (const mark of this.yColumn.marks || []) {
      const y = this.toY(mark.value).toFixed(1);
      const right = this.width - EDGE.right;
      svg("path", { class: "mark", d: `M${this.left} ${y}H${right}` }, this.inside);
      const place = { class: "mark", x: right - 4, y: y - 4, "text-anchor": "end" };
      svg("text", place, this.inside, mark.text);
    }
  }

  line(line) {
    const colour = colourClass(line.series.colour);
    const [first, last] = this.ends(line);
    const [isDots, isSteps] = [this.spec.as === "dots", this.spec.as === "steps"];
    const drawn = [];
    const dots = [];
    let isOpen = false;
    for (let k = first; k <= last; k++) {
      if (!this.isDrawn(line.y[k])) isOpen = false;
      else {
        const [x, y] = [this.toX(line.x[k]).toFixed(1), this.toY(line.y[k]).toFixed(1)];
        drawn.push(!isOpen ? `M${x} ${y}` : isSteps ? `H${x}V${y}` : `L${x} ${y}`);
        dots.push(`M${x} ${y}h0`);
        isOpen = true;
      }
    }
    const name = { "data-series": line.index };
    if (!isDots) svg("path", { ...name, class: `line ${colour}`, d: drawn.join("") }, this.inside);
    if (isDots || (!isSteps && dots.length <= MARKED_POINTS)) {
      svg("path", { ...name, class: `dots ${colour}`, d: dots.join("") }, this.inside);
    }
  }

  say(text) {
    const place = { x: this.width / 2, y: HEIGHT / 2, "text-anchor": "middle" };
    svg("text", { class: "empty", ...place }, this.picture, text);
  }
}
