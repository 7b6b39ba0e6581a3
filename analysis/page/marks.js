"use strict";

// What lies between the axes of a panel: lines, dots, boxes, sticks, levels and bands.

/** One of several values, or the one that all share. */
function valueAt(values, k) {
  return Array.isArray(values) ? values[k] : values;
}

Object.assign(Plot.prototype, {
  mark(mark, lines, height) {
    if (mark.columns) {
      const line = lines.find((one) => one.mark === mark);
      if (line) this.line(line);
    } else if (mark.kind === "boxes") this.boxes(mark);
    else if (mark.kind === "sticks") this.sticks(mark);
    else if (mark.kind === "top") this.atTop(mark);
    else if (mark.kind === "moments") this.moments(mark, height);
  },

  line(line) {
    const { mark, x, y } = line;
    const [first, last] = this.ends(line);
    const isSteps = mark.kind === "steps";
    const drawn = [];
    const dots = [];
    let isOpen = false;
    for (let k = first; k <= last; k++) {
      const left = this.toX(x[k]).toFixed(1);
      if (!this.isDrawn(y[k])) {
        if (isOpen && isSteps) drawn.push(`H${left}`);
        isOpen = false;
        continue;
      }
      const top = this.toY(y[k]).toFixed(1);
      drawn.push(!isOpen ? `M${left} ${top}` : isSteps ? `H${left}V${top}` : `L${left} ${top}`);
      dots.push(`M${left} ${top}h0`);
      if (mark.texts.length) this.textAbove(left, top, mark.texts[k]);
      isOpen = true;
    }
    if (mark.kind !== "dots") {
      const dotted = mark.dotted ? " dotted" : "";
      this.path(mark, `line${dotted}`, drawn.join(""));
    }
    if (mark.kind === "dots") this.path(mark, "dots large", dots.join(""));
    else if (!isSteps && dots.length <= MARKED_POINTS) this.path(mark, "dots", dots.join(""));
  },

  boxes(mark) {
    const drawn = [...mark.x0.keys()].map((k) => {
      const [left, right] = [this.toX(mark.x0[k]), this.toX(mark.x1[k])];
      const [top, bottom] = [this.toY(valueAt(mark.high, k)), this.toY(valueAt(mark.low, k))];
      const width = Math.max(right - left - (mark.edged ? 0.6 : 0), 0.4);
      return `M${left.toFixed(1)} ${top.toFixed(1)}h${width.toFixed(1)}V${bottom.toFixed(1)}h${(-width).toFixed(1)}z`;
    });
    this.path(mark, mark.hatched ? "box hatched" : "box", drawn.join(""));
  },

  sticks(mark) {
    const drawn = [...mark.x0.keys()].map((k) => {
      const [low, high] = [this.toY(valueAt(mark.low, k)), this.toY(valueAt(mark.high, k))];
      return `M${this.toX(mark.x0[k]).toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}`;
    });
    this.path(mark, "line", drawn.join(""));
  },

  atTop(mark) {
    const corner = (x) => `M${this.toX(x).toFixed(1)} ${EDGE.top}l4 7h-8z`;
    this.path(mark, "box", mark.x.map(corner).join(""));
  },

  moments(mark, height) {
    const drawn = mark.x.map((x) => `M${this.toX(x).toFixed(1)} ${EDGE.top}v${height}`);
    this.path(mark, "line dotted", drawn.join(""));
  },

  path(mark, look, d) {
    const own = { "data-series": mark.index, class: `${look} ${paintClass(mark.paint)}` };
    svg("path", { ...own, d }, this.inside);
  },

  textAbove(x, y, text) {
    svg("text", { x, y: y - 6, "text-anchor": "middle" }, this.inside, text);
  },

  bands(height) {
    if (this.xColumn !== this.spec.xs[0]) return;
    for (const [from, to] of this.spec.bands) {
      const [x, end] = [this.toX(from), this.toX(to)];
      const place = { x, y: EDGE.top, width: Math.max(end - x, 0.5), height };
      svg("rect", { class: "band", ...place }, this.inside);
    }
  },

  levels() {
    const right = this.width - EDGE.right;
    for (const level of this.yColumn.levels) {
      if (!this.isDrawn(level.value)) continue;
      const y = this.toY(level.value);
      svg("path", { class: "mark", d: `M${this.left} ${y.toFixed(1)}H${right}` }, this.inside);
      const place = { class: "mark", x: right - 4, y: y - 4, "text-anchor": "end" };
      svg("text", place, this.inside, level.text);
    }
  },
});
