"use strict";

// Draws the charts from the specifications in the page, and answers its three buttons.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

const config = {
  background: "transparent",
  font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  // Each chart is one picture to a screen reader, with words of its own.
  mark: { aria: false },
  view: { stroke: null },
  axis: {
    aria: false,
    labelColor: "var(--muted)",
    titleColor: "var(--muted)",
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 8,
    gridColor: "var(--grid)",
    domainColor: "var(--line)",
    tickColor: "var(--line)",
    tickSize: 4,
    labelOverlap: "greedy",
    labelSeparation: 8,
  },
  axisY: { domain: false, ticks: false, titleAngle: 0, titleAlign: "left", titleAnchor: "start", titleX: 0, titleY: -10 },
  text: { fontSize: 12 },
};

const draw = ([place, spec]) =>
  window.vegaEmbed(document.getElementById(place), spec, {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // expressions are interpreted: the page may not compile code at run time
    config,
    tooltip: { disableDefaultStyle: true },
  });

Promise.all(Object.entries(read("specs")).map(draw)).then(
  () => {
    document.documentElement.dataset.drawn = "yes";
    performance.mark("drawn");
  },
  (error) => {
    document.documentElement.dataset.drawn = "no";
    throw error;
  },
);

const give = (name, type, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

const actions = {
  theme: () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  },
  results: () => give("results.jsonl", "application/json", read("data").results),
  requests: () => give("requests.csv", "text/csv", read("data").requests),
};

for (const button of document.querySelectorAll("button[data-action]")) {
  button.hidden = false;
  button.addEventListener("click", actions[button.dataset.action]);
}
