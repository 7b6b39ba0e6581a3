"use strict";

// A panel: its axes, tools and scales. What lies between the axes is in marks.js.

const HEIGHT = 250;
const EDGE = { left: 58, right: 12, top: 10, bottom: 40 };
const DIGIT_WIDTH = 6.7;
const MIN_WIDTH = 120;
const MARKED_POINTS = 60;
const READOUT_LINES = 12;
const FLAT = 1e-6;

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
    [this.xColumn, this.yColumn] = [spec.xs[0], spec.ys[0]];
    this.isLog = this.yColumn.log;
    this.tools();
    const names = [...new Set(spec.marks.map((mark) => mark.name))];
    for (const mark of spec.marks) mark.index = names.indexOf(mark.name);
    const firsts = names.map((name) => spec.marks.find((mark) => mark.name === name));
    this.legend = new Legend(figure, names, (index) => swatchClass(firsts[index]), () => this.draw());
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
    this.choice(box, "vertical axis", this.spec.ys, (column) => {
      this.yColumn = column;
      this.showLog(column.log);
    });
    this.choice(box, "horizontal axis", this.spec.xs, (column) => {
      this.xColumn = column;
      this.view.range = null;
    });
    this.log = this.button(box, "log", "logarithmic or linear vertical axis", () => {
      this.showLog(!this.isLog);
      this.draw();
    });
    this.showLog(this.isLog);
    this.button(box, "+", "zoom in", () => this.zoom(0.5));
    this.button(box, "\u2212", "zoom out", () => this.zoom(2));
    this.button(box, "whole", "show the whole axis", () => this.view.show(null));
  }

  showLog(isLog) {
    this.isLog = isLog;
    this.log.setAttribute("aria-pressed", String(isLog));
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

  /** The marks whose names are not hidden. */
  shown() {
    return this.spec.marks.filter((mark) => !this.legend.hidden.has(mark.index));
  }

  /** Lines, steps and dots that are shown, as points of the chosen columns. */
  lines() {
    const lines = this.shown().map((mark) => ({
      mark,
      x: mark.columns && mark.columns[this.xColumn.name],
      y: mark.columns && mark.columns[this.yColumn.name],
    }));
    return lines.filter((line) => line.x && line.x.length && line.y);
  }

  isDrawn(y) {
    return y !== null && (!this.isLog || y > 0);
  }

  wholeRange() {
    if (this.xColumn.span) return this.xColumn.span;
    const values = [...this.xColumn.includes];
    for (const mark of this.spec.marks) {
      const x = mark.columns ? mark.columns[this.xColumn.name] : mark.x;
      if (x && x.length) values.push(x[0], x[x.length - 1]);
      if (mark.x0 && mark.x0.length) values.push(mark.x0[0], mark.x1[mark.x1.length - 1]);
    }
    const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
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
    if (this.yColumn.span) return this.yColumn.span;
    let [low, high] = [Infinity, -Infinity];
    const take = (y) => {
      if (this.isDrawn(y)) [low, high] = [Math.min(low, y), Math.max(high, y)];
    };
    for (const line of lines) {
      const [first, last] = this.ends(line);
      for (let k = first; k <= last; k++) take(line.y[k]);
    }
    const [from, to] = this.range();
    for (const mark of this.shown()) {
      for (const k of (mark.x0 || []).keys()) {
        if (mark.x1[k] < from || mark.x0[k] > to) continue;
        take(valueAt(mark.low, k));
        take(valueAt(mark.high, k));
      }
    }
    for (const value of this.yColumn.includes) take(value);
    for (const level of this.yColumn.levels) take(level.value);
    if (low > high) return this.isLog ? [0.1, 1] : [0, 1];
    if (this.isLog) return [low / 1.1, high * 1.1];
    const differ = high - low > FLAT * Math.abs(high) ? high - low : 0;
    const hasTexts = lines.some((line) => line.mark.texts.length);
    const room = (differ || Math.abs(high) || 1) * (hasTexts ? 0.15 : 0.05);
    return [low === 0 && this.yColumn.includes.includes(0) ? 0 : low - room, high + room];
  }

  // --- drawing ---

  draw() {
    const width = this.frame.clientWidth;
    if (width < MIN_WIDTH) return;
    this.width = width;
    const lines = this.lines();
    const [[x0, x1], [y0, y1]] = [this.range(), this.verticalRange(lines)];
    const xTicks = axisTicks(this.xColumn, x0, x1, width / 100);
    const yTicks = this.isLog ? logTicks(y0, y1, 5) : axisTicks(this.yColumn, y0, y1, 5);
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
    for (const mark of this.shown()) this.mark(mark, lines, height);
    this.levels();
    if (!this.shown().length) this.say("nothing is shown");
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

  say(text) {
    const place = { x: this.width / 2, y: HEIGHT / 2, "text-anchor": "middle" };
    svg("text", { class: "empty", ...place }, this.picture, text);
  }
}
