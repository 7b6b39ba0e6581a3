"use strict";

// Fills every <figure data-plot> of the page from the data block.

function start() {
  const specs = JSON.parse(document.getElementById("data").textContent);
  const views = new Map();
  const drawn = new Map();
  for (const figure of document.querySelectorAll("figure[data-plot]")) {
    const spec = { ...specs[figure.dataset.plot], id: figure.dataset.plot };
    if (!views.has(spec.view)) views.set(spec.view, new View());
    const isBars = "parts" in spec;
    drawn.set(figure, isBars ? new Bars(figure, spec) : new Plot(figure, spec, views.get(spec.view)));
  }
  const resized = new ResizeObserver((entries) => {
    for (const entry of entries) drawn.get(entry.target).draw();
  });
  for (const figure of drawn.keys()) resized.observe(figure);
  addEventListener("beforeprint", () => {
    for (const section of document.querySelectorAll("details.run")) section.open = true;
    for (const plot of drawn.values()) plot.draw();
  });
}

start();
