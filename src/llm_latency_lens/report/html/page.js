"use strict";

// Draws the charts from the specifications in the page, and answers its three buttons.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

const draw = ([place, spec]) =>
  window.vegaEmbed(document.getElementById(place), spec, {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // expressions are interpreted: the page may not compile code at run time
    config: read("config"),
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
