// What every page does once it is there.

import { draw } from "./charts.js";
import { begin, refresh } from "./live.js";
import { localise } from "./times.js";

const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

const theme = document.querySelector("button[data-action=theme]");
theme.hidden = false;
theme.addEventListener("click", () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Then it lasts as long as the page.
  }
  draw();
});
dark.addEventListener("change", draw);

for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

const told = (row) => {
  if (row.status === "ok") return `ok: first token after ${Math.round(row.ttft_ms ?? row.e2e_ms)} ms`;
  return `failed: ${row.error_kind} at ${row.error_stage}`;
};

for (const form of document.querySelectorAll("form[data-probe]")) {
  const [button, output] = [form.querySelector("button"), document.getElementById("probed")];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    output.textContent = "asking…";
    try {
      const answer = await fetch("/api/v1/probe", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ target: form.dataset.probe }),
      });
      const said = await answer.json();
      output.textContent = answer.ok ? told(said) : said.error;
      if (answer.ok) await refresh();
    } catch {
      output.textContent = "the service cannot be reached";
    } finally {
      button.disabled = false;
    }
  });
}

localise();
draw();
begin();
root.dataset.ready = "yes";
