"use strict";

// What a pointer and keys do in a plot: read values, drag out a range, pan and zoom.

const KEYS =
  "arrow keys read values, Shift and arrow keys move along, plus and minus zoom, 0 shows the whole";
const DRAGGED_PIXELS = 6;

Object.assign(Plot.prototype, {
  listen() {
    const picture = this.picture;
    picture.addEventListener("pointerdown", (event) => this.press(event));
    picture.addEventListener("pointermove", (event) => this.move(event));
    picture.addEventListener("pointerup", (event) => this.release(event));
    picture.addEventListener("pointercancel", () => {
      this.pressedX = undefined;
      this.forget();
    });
    picture.addEventListener("pointerleave", () => this.forget());
    picture.addEventListener("blur", () => this.forget());
    picture.addEventListener("dblclick", () => this.view.show(null));
    picture.addEventListener("keydown", (event) => this.key(event));
  },

  pixelX(event) {
    const box = this.picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width;
    return Math.min(Math.max(x, this.left), this.width - EDGE.right);
  },

  press(event) {
    if (event.button !== 0) return;
    this.pressedX = this.pixelX(event);
    this.picture.setPointerCapture(event.pointerId);
  },

  move(event) {
    const x = this.pixelX(event);
    if (this.pressedX === undefined) {
      this.read(this.fromX(x), event.clientY - this.picture.getBoundingClientRect().top);
      return;
    }
    this.forget();
    const [left, width] = [Math.min(x, this.pressedX), Math.abs(x - this.pressedX)];
    const height = HEIGHT - EDGE.top - EDGE.bottom;
    svg("rect", { class: "chosen", x: left, y: EDGE.top, width, height }, this.pointer);
  },

  release(event) {
    const [from, to] = [this.pressedX, this.pixelX(event)];
    this.pressedX = undefined;
    this.forget();
    if (from === undefined || Math.abs(to - from) < DRAGGED_PIXELS) return;
    this.view.show([from, to].sort((a, b) => a - b).map((pixel) => this.fromX(pixel)));
  },

  key(event) {
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (sign && event.shiftKey) this.pan(sign);
    else if (sign) this.readNext(sign);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0" || event.key === "Escape") this.view.show(null);
    else return;
    event.preventDefault();
  },

  /** Shows `factor` times as much, around what is being read or the middle. */
  zoom(factor) {
    const [low, high] = this.range();
    const around = this.readAt >= low && this.readAt <= high ? this.readAt : (low + high) / 2;
    this.showWithin(around - (around - low) * factor, around + (high - around) * factor);
  },

  pan(sign) {
    const [low, high] = this.range();
    const [start, end] = this.wholeRange();
    const wished = (sign * (high - low)) / 4;
    const shift = Math.min(Math.max(wished, start - low), end - high);
    this.showWithin(low + shift, high + shift);
  },

  showWithin(low, high) {
    const [start, end] = this.wholeRange();
    const [from, to] = [Math.max(low, start), Math.min(high, end)];
    if (to - from < (end - start) * 1e-6) return;
    this.view.show(from === start && to === end ? null : [from, to]);
  },

  readNext(sign) {
    const [low, high] = this.range();
    const start = this.readAt >= low && this.readAt <= high ? this.readAt : (low + high) / 2;
    this.read(Math.min(Math.max(start + (sign * (high - low)) / 50, low), high), HEIGHT / 2);
  },

  /** Shows the value of every series nearest to `x`; of many, those nearest to the pointer. */
  read(x, pixelY) {
    this.forget();
    this.readAt = x;
    const [low, high] = this.range();
    const isInside = (f) => this.isDrawn(f.y) && f.x >= low && f.x <= high;
    let found = this.values(x).filter(isInside);
    found.sort((a, b) => Math.abs(this.toY(a.y) - pixelY) - Math.abs(this.toY(b.y) - pixelY));
    const left = found.length - READOUT_LINES;
    found = found.slice(0, READOUT_LINES).sort((a, b) => b.y - a.y);
    const pixelX = this.toX(x);
    svg("path", { d: `M${pixelX} ${EDGE.top}V${HEIGHT - EDGE.bottom}` }, this.pointer);
    for (const f of found) {
      const dot = { class: `dots ${paintClass(f.mark.paint)}` };
      svg("path", { ...dot, d: `M${this.toX(f.x)} ${this.toY(f.y)}h0` }, this.pointer);
    }
    this.write(x, pixelX, found, left);
  },

  /** Of every name the value nearest to `x`; of bars that stand on 0 their height. */
  values(x) {
    const values = this.lines().map(({ mark, x: xs, y }) => {
      const k = nearest(xs, x);
      return { mark, x: xs[k], y: y[k] };
    });
    for (const mark of this.shown()) {
      if (mark.kind !== "boxes" || mark.low !== 0) continue;
      const k = mark.x0.findIndex((left, n) => x >= left && x < mark.x1[n]);
      if (k >= 0) values.push({ mark, x, y: valueAt(mark.high, k) });
    }
    return values.filter((v, k) => values.findIndex((w) => w.mark.index === v.mark.index) === k);
  },

  write(x, pixelX, found, left) {
    const readout = this.readout;
    readout.replaceChildren();
    html("strong", {}, readout, this.atText(x));
    for (const f of found) {
      const line = html("div", {}, readout);
      const swatch = svg("svg", { class: "swatch", viewBox: "0 0 24 8" }, line);
      svg("path", { class: `line ${swatchClass(f.mark)}`, d: "M0 4H24" }, swatch);
      html("span", { class: "name" }, line, f.mark.name);
      html("span", { class: "value" }, line, numberText(f.y));
    }
    if (left > 0) html("div", {}, readout, `and ${left} more`);
    const band = this.spec.bands.find(([from, to]) => x >= from && x < to);
    if (band && this.xColumn === this.spec.xs[0]) html("div", {}, readout, `phase: ${band[2]}`);
    readout.hidden = false;
    const isRight = pixelX > this.width / 2;
    readout.style.left = isRight ? "auto" : `${pixelX + 12}px`;
    readout.style.right = isRight ? `${this.width - pixelX + 12}px` : "auto";
  },

  atText(x) {
    const { label, labels, unit } = this.xColumn;
    if (labels.length) return `${label} ${labels[Math.round(x)] ?? ""}`;
    return unit ? `${numberText(x)} ${unit}` : `${label} ${numberText(x)}`;
  },

  forget() {
    if (this.pointer) this.pointer.replaceChildren();
    this.readout.hidden = true;
  },
});
