"use strict";

// Elements, numbers and legends: what plots.js and bars.js share. Text only ever becomes
// textContent or an attribute, never markup.

const COLOURS = 7;
const MOST_LABELS = 25;

function html(name, attributes, parent, text) {
  return put(document.createElement(name), attributes, parent, text);
}

function svg(name, attributes, parent, text) {
  return put(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, parent, text);
}

function put(element, attributes, parent, text) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function colourClass(index) {
  return `colour-${index % COLOURS} dash-${Math.floor(index / COLOURS) % 3}`;
}

/** The class of a colour: one of those in turn, by its number, or one by name. */
function paintClass(paint) {
  return typeof paint === "number" ? colourClass(paint) : `paint-${paint}`;
}

/** The class of the swatch that stands for a mark in the legend. */
function swatchClass(mark) {
  const shape = { boxes: "block", top: "block", dots: "point", moments: "dotted" }[mark.kind];
  return [paintClass(mark.paint), shape || "", mark.dotted ? "dotted" : ""].join(" ");
}

/** A number for reading: five digits, no trailing zeros. */
function numberText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(5)));
}

/** The ticks of a linear axis, about `count` of them: numbers, or the axis's own labels. */
function axisTicks(axis, low, high, count) {
  if (!axis.labels.length) return linearTicks(low, high, count, axis.whole ? 1 : 0);
  const areNumbers = axis.labels.every((label) => /^\d+$/.test(label));
  const wanted = areNumbers ? axis.labels.length / MOST_LABELS : 1;
  const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1)));
  const every = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= wanted);
  return axis.labels
    .map((text, value) => ({ value, text }))
    .filter(({ value }) => value % every === 0 && value >= low && value <= high);
}

/** Round numbers between low and high, about `count` of them, at least `smallest` apart. */
function linearTicks(low, high, count, smallest = 0) {
  const rough = Math.max((high - low) / count, smallest);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
  return ticks.map((value) => ({ value, text: numberText(Number(value.toPrecision(12))) }));
}

/** Powers of ten between low and high; where they are few, 2 and 5 times them too. */
function logTicks(low, high, count) {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  if (high / low < 3) return linearTicks(low, high, count);
  const every = Math.max(1, Math.ceil((to - from) / count));
  const factors = to - from <= 3 ? [1, 2, 5] : [1];
  const values = [];
  for (let power = from; power <= to; power += every) {
    values.push(...factors.map((factor) => Number((factor * 10 ** power).toPrecision(6))));
  }
  return values
    .filter((value) => value >= low && value <= high)
    .map((value) => ({ value, text: numberText(value) }));
}

/** The place of the first number in sorted `values` that is at least `value`. */
function firstAtLeast(values, value) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function nearest(values, value) {
  const after = firstAtLeast(values, value);
  if (after === 0) return 0;
  if (after === values.length) return after - 1;
  return value - values[after - 1] < values[after] - value ? after - 1 : after;
}

/** Buttons that show and hide series; with Shift a button shows its own only, or all again. */
class Legend {
  constructor(parent, names, classOf, changed) {
    this.hidden = new Set();
    this.changed = changed;
    this.buttons = [];
    if (names.length < 2) return;
    const box = html("div", { class: "legend", role: "group", "aria-label": "series" }, parent);
    if (names.length > 3) {
      const all = html("button", { type: "button", class: "all" }, box, "all / none");
      all.addEventListener("click", () => this.showOnly(this.hidden.size ? names.keys() : []));
    }
    this.buttons = names.map((name, index) => this.button(box, name, index, classOf(index)));
  }

  button(box, name, index, colour) {
    const title = `${name}: show or hide; with Shift: this one only`;
    const button = html("button", { type: "button", title, "aria-pressed": "true" }, box);
    const swatch = svg("svg", { class: "swatch", viewBox: "0 0 24 8", "aria-hidden": "true" }, button);
    svg("path", { class: `line ${colour}`, d: "M0 4H24" }, swatch);
    html("span", {}, button, name);
    button.addEventListener("click", (event) => {
      if (event.shiftKey) this.showOnly(this.isAlone(index) ? this.buttons.keys() : [index]);
      else this.toggle(index);
    });
    return button;
  }

  isAlone(index) {
    return !this.hidden.has(index) && this.hidden.size === this.buttons.length - 1;
  }

  toggle(index) {
    if (!this.hidden.delete(index)) this.hidden.add(index);
    this.show();
  }

  showOnly(indices) {
    const shown = new Set(indices);
    this.hidden = new Set([...this.buttons.keys()].filter((index) => !shown.has(index)));
    this.show();
  }

  show() {
    this.buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(!this.hidden.has(index)));
    });
    this.changed();
  }
}
