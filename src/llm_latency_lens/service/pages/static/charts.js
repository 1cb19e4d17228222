// Draws what the page's data island holds: lines over time, heat maps, bars. uPlot does the drawing.

import { moment, utc } from "./times.js";

const uPlot = window.uPlot;
const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const LEVELS = { p50: "--s0", p90: "--s2", p95: "--s4", p99: "--s1" };
const HEAT = [1, 2, 3, 4, 5, 6, 7];
const drawn = new Map();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** About three digits. */
const short = (value) => {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(size >= 10 ? 3 : 2)));
};
const ms = (value) => (value >= 10_000 ? `${short(value / 1000)} s` : `${short(value)} ms`);
const usd = (value) => `$${value >= 1 ? value.toFixed(2) : Number(value.toPrecision(2))}`;

const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);

const pad = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `14:20`; the day where one begins, and where the steps are days. */
const ticks = (_, splits, __, ___, step) =>
  splits.map((at) => {
    const date = new Date(at * 1000);
    const midnight = !date.getHours() && !date.getMinutes();
    return step >= 86_400 || midnight ? `${date.getDate()} ${MONTHS[date.getMonth()]}` : `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  });

const axes = (values) => [
  {
    stroke: colour("--muted"),
    font: FONT,
    grid: { show: false },
    ticks: { stroke: colour("--line"), size: 4, width: 1 },
    size: 30,
    gap: 4,
    values: ticks,
  },
  {
    stroke: colour("--muted"),
    font: FONT,
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    // as wide as the widest label
    size: (_, labels) => Math.max(40, 14 + 7 * Math.max(0, ...(labels ?? []).map((one) => one.length))),
    gap: 4,
    space: 36,
    values: (_, splits) => splits.map((one) => (one === null ? "" : values(one))),
  },
];

/** A box beside the cursor; `tell` gives its title and its lines for a place on the x axis. */
const tip = (tell) => {
  const box = element("div", "", { className: "tip", hidden: true });
  let inside = false;
  return {
    hooks: {
      init: (u) => {
        u.root.parentNode.append(box);
        u.over.addEventListener("mouseenter", () => (inside = true));
        u.over.addEventListener("mouseleave", () => {
          inside = false;
          box.hidden = true;
        });
      },
      destroy: () => box.remove(),
      setCursor: (u) => {
        const { idx, left } = u.cursor;
        if (!inside || idx === null || idx === undefined || left < 0) return;
        const [title, lines, notes] = tell(idx, u);
        box.replaceChildren(element("small", title));
        for (const [name, value] of lines) {
          const line = element("span", "");
          line.append(element("i", name), element("b", value));
          box.append(line);
        }
        for (const note of notes) box.append(element("small", note));
        box.hidden = false;
        const at = left + u.over.offsetLeft;
        const right = at + 16 + box.offsetWidth < u.root.clientWidth;
        box.style.left = `${Math.max(0, right ? at + 12 : at - 12 - box.offsetWidth)}px`;
        box.style.top = `${u.over.offsetTop + 4}px`;
      },
    },
  };
};

/** Incidents as shades, annotations as dashed lines, failures as ticks on the ground. */
const happenings = (data, failed) => ({
  hooks: {
    drawAxes: (u) => {
      const { ctx } = u;
      const { top, height, left, width } = u.bbox;
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, top, width, height);
      ctx.clip();
      ctx.fillStyle = colour("--bad");
      ctx.globalAlpha = 0.12;
      for (const one of data.incidents ?? []) {
        const from = u.valToPos(one.from, "x", true);
        const to = u.valToPos(one.to ?? data.until, "x", true);
        ctx.fillRect(from, top, Math.max(2, to - from), height);
      }
      ctx.globalAlpha = 1;
      ctx.strokeStyle = colour("--muted");
      ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.lineWidth = devicePixelRatio;
      for (const one of data.notes ?? []) {
        const at = Math.round(u.valToPos(one.at, "x", true)) + 0.5;
        ctx.beginPath();
        ctx.moveTo(at, top);
        ctx.lineTo(at, top + height);
        ctx.stroke();
      }
      ctx.restore();
    },
    draw: (u) => {
      if (!failed) return;
      const { ctx } = u;
      const wide = Math.max(2 * devicePixelRatio, Math.min(6 * devicePixelRatio, u.bbox.width / data.at.length));
      ctx.save();
      ctx.fillStyle = colour("--bad");
      failed.forEach((count, place) => {
        const at = count ? u.valToPos(data.at[place], "x", true) : -1;
        if (at < u.bbox.left || at > u.bbox.left + u.bbox.width) return;
        const high = (5 + 11 * Math.min(1, count / (data.count[place] || 1))) * devicePixelRatio;
        ctx.fillRect(at - wide / 2, u.bbox.top + u.bbox.height - high, wide, high);
      });
      ctx.restore();
    },
  },
});

const notesAt = (data, place) =>
  (data.notes ?? []).filter((one) => Math.abs(one.at - data.at[place] - data.step / 2) <= data.step).map((one) => one.told);

const titleOf = (data, place) => `${moment(data.at[place], { seconds: data.step < 60 })} · ${utc(data.at[place])}`;

const shape = (place, more) => ({
  width: place.clientWidth,
  height: place.classList.contains("low") ? 160 : 224,
  padding: [10, 22, 0, 0],
  legend: { show: false },
  focus: { alpha: 0.35 },
  ...more,
  cursor: { y: false, sync: { key: "time" }, drag: { x: true, y: false, setScale: true }, points: { size: 7 }, ...more.cursor },
});

const fromZero = (_, __, high) => [0, high > 0 ? high * 1.08 : 1];

/** p50 to p99 of one figure. */
const quantiles = (place, data) => {
  const found = data.figures[place.dataset.figure];
  const levels = Object.keys(LEVELS);
  const shown = shape(place, {
    scales: { y: { range: fromZero } },
    axes: axes(ms),
    series: [{}, ...levels.map((level) => ({ label: level, stroke: colour(LEVELS[level]), width: level === "p50" ? 2 : 1.25, points: { size: 4 } }))],
    plugins: [
      happenings(data, data.failed),
      tip((at) => [
        titleOf(data, at),
        [
          ...levels.filter((level) => found[level][at] !== null).map((level) => [level, ms(found[level][at])]),
          ["probes", String(data.count[at])],
          ...(data.failed[at] ? [["failed", String(data.failed[at])]] : []),
        ],
        notesAt(data, at),
      ]),
    ],
  });
  return [shown, [data.at, ...levels.map((level) => found[level])]];
};

/** One level of one figure, a line for each target. */
const overlay = (place, data) => {
  const { figure, level } = place.dataset;
  const named = data.targets;
  const shown = shape(place, {
    scales: { y: { range: fromZero } },
    axes: axes(figure === "failed" ? (one) => `${short(one)} %` : ms),
    series: [{}, ...named.map((one, index) => ({ label: one.name, stroke: colour(`--s${index % 8}`), width: 1.75, points: { size: 4 } }))],
    plugins: [
      tip((at) => [
        titleOf(data, at),
        named
          .map((one) => [one.name, one.figures[figure][level][at]])
          .filter(([, value]) => value !== null)
          .map(([name, value]) => [name, figure === "failed" ? `${short(value)} %` : ms(value)]),
        [],
      ]),
    ],
  });
  return [shown, [data.at, ...named.map((one) => one.figures[figure][level])]];
};

/** 1, 2, 5, 10, 20... between two bounds, where they are few; else powers of ten. */
const rungs = (low, high) => {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const one of high / low < 200 ? [1, 2, 5] : [1]) found.push(one * 10 ** power);
  }
  return found.filter((one) => one >= low && one <= high);
};

/** How often which length was seen, as shades: time to the right, length (logarithmic) upwards. */
const heat = (place, data) => {
  const { ratio, counts } = data.heat[place.dataset.figure];
  const uppers = counts.flatMap((bin) => (bin ?? []).map(([upper]) => upper)).filter((upper) => upper > 0);
  const [low, high] = [Math.min(...uppers) / ratio, Math.max(...uppers)];
  const paint = (u) => {
    const { ctx } = u;
    const shades = HEAT.map((one) => colour(`--h${one}`));
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    counts.forEach((bin, index) => {
      const total = (bin ?? []).reduce((sum, [, count]) => sum + count, 0);
      const from = Math.round(u.valToPos(data.at[index], "x", true));
      const to = Math.round(u.valToPos(data.at[index] + data.step, "x", true));
      for (const [upper, count] of bin ?? []) {
        const top = Math.round(u.valToPos(Math.max(upper, low), "y", true));
        const ground = Math.round(u.valToPos(Math.max(upper, low) / ratio, "y", true));
        ctx.fillStyle = shades[Math.min(6, Math.floor(Math.sqrt(count / total) * 7))];
        ctx.fillRect(from, top, Math.max(1, to - from), Math.max(1, ground - top));
      }
    });
    ctx.restore();
  };
  const [time, lengths] = axes(ms);
  const shown = shape(place, {
    scales: { x: { range: (_, from, to) => [from, to + data.step] }, y: { distr: 3, log: 10, range: () => [low, high] } },
    axes: [time, { ...lengths, splits: () => rungs(low, high), filter: (_, splits) => splits }],
    series: [{}, { stroke: "transparent", points: { show: false } }],
    cursor: { points: { show: false } },
    plugins: [
      { hooks: { drawAxes: paint } },
      tip((at) => {
        const bin = [...(counts[at] ?? [])].sort((a, b) => b[0] - a[0]);
        const most = bin.slice(0, 8).map(([upper, count]) => [`${short(upper / ratio)} to ${ms(upper)}`, short(count)]);
        return [titleOf(data, at), most, bin.length > 8 ? [`and ${bin.length - 8} more below`] : []];
      }),
    ],
  });
  return [shown, [data.at, data.at.map(() => low)]];
};

/** What a day cost. */
const days = (place, data) => {
  const { at, cost } = data.days;
  const noon = at.map((one) => one + 43_200);
  const shown = shape(place, {
    padding: [10, 28, 0, 0],
    scales: { x: { range: () => [at[0], at[at.length - 1] + 86_400] }, y: { range: fromZero } },
    axes: axes(usd),
    series: [{}, { stroke: colour("--s0"), fill: colour("--s0"), width: 0, paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false } }],
    cursor: { sync: { key: "days" }, drag: { x: false, y: false }, points: { show: false } },
    plugins: [tip((index) => [`${new Date(at[index] * 1000).toISOString().slice(0, 10)} (UTC)`, [["cost", cost[index] === null ? "unknown" : usd(cost[index])]], []])],
  });
  return [shown, [noon, cost]];
};

const DRAWERS = { quantiles, overlay, heat, days };

const read = () => {
  const island = document.getElementById("data");
  return island ? JSON.parse(island.textContent) : null;
};

const observer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const chart = drawn.get(target);
    if (chart && contentRect.width && Math.abs(chart.width - contentRect.width) > 1) chart.setSize({ width: contentRect.width, height: chart.height });
  }
});

/** Draws every chart of the page, or draws it anew. */
export const draw = () => {
  const data = read();
  for (const [place, chart] of drawn) {
    chart.destroy();
    if (!place.isConnected) observer.unobserve(place);
  }
  drawn.clear();
  if (!data) return;
  for (const place of document.querySelectorAll(".chart[data-draw]")) {
    const [shown, columns] = DRAWERS[place.dataset.draw](place, data);
    drawn.set(place, new uPlot(shown, columns, place));
    observer.observe(place);
  }
  document.documentElement.dataset.drawn = String(drawn.size);
};

/** Whether somebody has zoomed in or points at something: then nothing is drawn anew under their hands. */
export const busy = () =>
  document.querySelector(".tip:not([hidden])") !== null ||
  [...drawn.values()].some((one) => one.scales.x.min > one.data[0][0] || one.scales.x.max < one.data[0][one.data[0].length - 1]);
