"use strict";

// What the time of each worker went to: a stacked bar a worker, rescaled to the shown parts.

class Bars {
  constructor(figure, spec) {
    this.spec = spec;
    const caption = html("figcaption", {}, figure);
    html("span", { class: "title" }, caption, spec.title);
    const classOf = (index) => `paint-${spec.paints[index]} block`;
    this.legend = new Legend(figure, spec.parts, classOf, () => this.draw());
    this.box = html("div", { class: "bars" }, figure);
    if (spec.note) html("p", { class: "note" }, figure, spec.note);
  }

  draw() {
    const parts = [...this.spec.parts.keys()].filter((part) => !this.legend.hidden.has(part));
    const sums = this.spec.rows.map((row) => parts.reduce((sum, part) => sum + row.shares[part], 0));
    const largest = Math.max(...sums, 1e-9);
    this.box.replaceChildren();
    for (const row of this.spec.rows) {
      html("span", { class: "name", title: row.title }, this.box, row.name);
      const bar = html("span", { class: "bar", role: "img" }, this.box);
      bar.setAttribute("aria-label", parts.map((part) => this.text(row, part)).join(", "));
      for (const part of parts) {
        const width = `width:${((100 * row.shares[part]) / largest).toFixed(3)}%`;
        html("span", { class: `paint-${this.spec.paints[part]}`, style: width, title: this.text(row, part) }, bar);
      }
    }
    html("span", {}, this.box);
    const scale = html("span", { class: "scale" }, this.box);
    for (const k of [0, 0.25, 0.5, 0.75, 1]) {
      html("span", {}, scale, `${numberText(Number((100 * k * largest).toPrecision(2)))} %`);
    }
  }

  text(row, part) {
    const share = numberText(Number((100 * row.shares[part]).toPrecision(3)));
    return `${row.title}: ${this.spec.parts[part]} ${share} %`;
  }
}
