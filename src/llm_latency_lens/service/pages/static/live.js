// Keeps the page up to date: the service tells what happens, and the page fetches itself anew, at
// most every few seconds, and takes over what has changed.

import { busy, draw } from "./charts.js";
import { localise } from "./times.js";

const root = document.documentElement;
const every_ms = 1000 * Number(document.body.dataset.every || 0);
const only = document.body.dataset.target;
const connection = document.getElementById("connection");
let source = null;
let due = null;
let last = 0;

/** Takes over children with the same key one by one, so that focus and selection stay. */
const takeOver = (old, fresh) => {
  if (old.isEqualNode(fresh)) return;
  const keyed = [...fresh.children].every((one) => one.dataset.key) && fresh.children.length;
  if (!keyed) {
    old.replaceChildren(...fresh.childNodes);
    return;
  }
  const known = new Map([...old.children].map((one) => [one.dataset.key, one]));
  const now = [...fresh.children].map((one) => {
    const before = known.get(one.dataset.key);
    return before && before.isEqualNode(one) ? before : one;
  });
  const same = now.length === old.children.length && now.every((one, place) => one === old.children[place]);
  if (!same) old.replaceChildren(...now);
};

const focused = () => {
  const { activeElement: one } = document;
  if (!one || one === document.body) return null;
  return one.id ? `#${CSS.escape(one.id)}` : one.getAttribute("href") ? `[href="${CSS.escape(one.getAttribute("href"))}"]` : null;
};

const parts = (page) =>
  [...page.querySelectorAll("[data-live], #data, [data-draw]")].map((one) => one.id || one.dataset.figure).join();

/** Fetches the page and shows what is new on it. */
export const refresh = async () => {
  last = Date.now();
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.status === 404) {
    location.reload(); // the session is over, or the target is watched no more
    return;
  }
  if (!answer.ok) throw new Error(`the page answers with status ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (parts(fresh) !== parts(document)) {
    location.reload(); // there is more, or less, to be seen than before
    return;
  }
  const held = focused();
  localise(fresh);
  for (const old of document.querySelectorAll("[data-live]")) {
    const one = fresh.getElementById(old.id);
    if (one) takeOver(old, one);
  }
  if (held && document.activeElement === document.body) document.querySelector(held)?.focus({ preventScroll: true });
  const [old, island] = [document.getElementById("data"), fresh.getElementById("data")];
  if (old && island && old.textContent !== island.textContent && !busy()) {
    old.textContent = island.textContent;
    draw();
  }
  root.dataset.refreshed = String(Number(root.dataset.refreshed || 0) + 1);
};

const say = (told, lost = false) => {
  connection.textContent = told;
  connection.classList.toggle("lost", lost);
  connection.classList.toggle("live", !lost);
};

const soon = () => {
  if (due || document.hidden) return;
  due = setTimeout(
    async () => {
      due = null;
      try {
        await refresh();
      } catch {
        say("cannot be reached; trying again", true);
      }
    },
    Math.max(100, last + every_ms - Date.now()),
  );
};

const beat = (name) => {
  const state = document.querySelector(`[data-state-of="${CSS.escape(name)}"]`);
  if (!state) return;
  state.classList.remove("beat");
  void state.offsetWidth; // begins the animation anew
  state.classList.add("beat");
};

let lost = false;

const listen = () => {
  source = new EventSource("/api/v1/events");
  source.addEventListener("open", () => {
    say("live");
    if (lost) soon();
    lost = false;
  });
  source.addEventListener("error", () => {
    lost = true;
    say("connection lost; trying again", true);
    if (source?.readyState === EventSource.CLOSED) {
      // Refused, and so not tried again by the browser.
      source = null;
      soon();
      setTimeout(() => source || document.hidden || listen(), 5000);
    }
  });
  source.addEventListener("probe", (event) => {
    const { target } = JSON.parse(event.data);
    if (only && only !== target) return;
    beat(target);
    soon();
  });
  for (const kind of ["incidents", "reload"]) source.addEventListener(kind, soon);
};

/** Listens as long as the page is seen: a browser has few connections for all of its windows. */
export const begin = () => {
  setInterval(() => localise(), 1000);
  if (!every_ms) return;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      listen();
      soon();
    }
  });
  if (!document.hidden) listen();
};
