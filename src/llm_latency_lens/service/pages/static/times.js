// Moments in the reader's own time, with UTC when one points at them.

const pad = (number) => String(number).padStart(2, "0");
const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;

/** `14:20:05`, with the date in front where it is not today. */
export const moment = (unix_s, { seconds = true } = {}) => {
  const date = new Date(unix_s * 1000);
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}${seconds ? `:${pad(date.getSeconds())}` : ""}`;
  return day(date) === day(new Date()) ? clock : `${day(date)} ${clock}`;
};

/** `2026-01-31 13:20:05 UTC`. */
export const utc = (unix_s) => `${new Date(unix_s * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;

const ago = (seconds) => {
  if (seconds < 1) return "now";
  if (seconds < 100) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
};

/** Writes every moment below `root` anew. */
export const localise = (root = document) => {
  const now = Date.now() / 1000;
  for (const place of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(place.dateTime) / 1000;
    place.title = utc(at);
    const told = "ago" in place.dataset ? ago(now - at) : moment(at, { seconds: !("minutes" in place.dataset) });
    if (place.textContent !== told) place.textContent = told;
  }
};
