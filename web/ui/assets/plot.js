// Draws what stands in the data-plot of an element:
//   {title, unit, times: [s], curves: [{name, values: [number or null], tone, points}]}
// and draws it again when the server has sent other figures.
import uPlot from "./vendored/uPlot.esm.js";

const drawn = new WeakMap(); // element -> {text, plot}

// colour returns what a class of the style sheet makes of text.
function colour(name) {
  const probe = document.createElement("span");
  probe.className = name;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function scaled(v, step, units) {
  let i = 0;
  while (Math.abs(v) >= step * 0.9995 && i < units.length - 1) {
    v /= step;
    i++;
  }
  return `${+v.toFixed(Math.abs(v) < 10 ? 2 : Math.abs(v) < 100 ? 1 : 0)}${units[i]}`;
}

const thousands = (v) => scaled(v, 1000, ["", "k", "M", "G", "T"]);
const formats = {
  "": thousands,
  rate: (v) => `${thousands(v)}/s`,
  bytes: (v) => scaled(v, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]),
  seconds(v) {
    const s = Math.abs(v);
    if (s === 0) return "0 s";
    if (s < 0.001) return `${+(v * 1e6).toFixed(0)} µs`;
    if (s < 1) return `${+(v * 1e3).toFixed(s < 0.01 ? 1 : 0)} ms`;
    if (s < 120) return `${+v.toFixed(s < 10 ? 1 : 0)} s`;
    if (s < 7200) return `${+(v / 60).toFixed(1)} min`;
    return `${+(v / 3600).toFixed(1)} h`;
  },
};

// Steps of an axis of bytes: 1, 2, 4 and so on.
const powers = Array.from({ length: 50 }, (_, i) => 2 ** i);
const minute = uPlot.fmtDate("{HH}:{mm}");
const clock = uPlot.fmtDate("{HH}:{mm}:{ss}");
const local = (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"); // all times of pages are in UTC

function options(spec, width, height) {
  const show = formats[spec.unit] ?? thousands;
  const axis = { stroke: colour("canvas-axis"), grid: { stroke: colour("canvas-grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height,
    tzDate: local,
    scales: {
      // Few figures stand at the right end of two minutes.
      x: { range: (_, from, to) => (to == null ? [0, 1] : [Math.min(from, to - 120), to]) },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] },
    },
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, sync: { key: location.pathname } },
    axes: [
      { ...axis, space: 60, values: (u, ticks, i, space, step) => ticks.map((s) => (step < 60 ? clock : minute)(local(s))), incrs: [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200] },
      { ...axis, size: 62, space: 40, incrs: spec.unit === "bytes" ? powers : undefined, values: (_, ticks) => ticks.map(show) },
    ],
    series: [
      { label: "at", value: (u, v) => (v == null ? "now" : clock(local(v))) },
      ...spec.curves.map((c, i) => {
        const stroke = colour(c.tone && c.tone !== "dim" ? c.tone : c.tone || `curve${(i % 4) + 1}`);
        return {
          label: c.name,
          stroke,
          width: c.points ? 0 : 1.5,
          points: c.points ? { show: true, size: 6, fill: stroke } : { show: c.values.length < 3 },
          paths: c.points ? () => null : undefined,
          // Without a pointer on the plot the legend says the latest figure.
          value: (u, v, series, at) => {
            const shown = at == null ? u.data[series].at(-1) : v;
            return shown == null ? "–" : show(shown);
          },
        };
      }),
    ],
  };
}

function draw(element, again) {
  const text = element.dataset.plot;
  const had = drawn.get(element);
  if (had && had.text === text && !again) return;
  const spec = JSON.parse(text);
  const figures = [spec.times, ...spec.curves.map((c) => c.values)];
  // Of a single time the library would make a day.
  if (spec.times.length === 1) figures.forEach((f, i) => f.unshift(i ? null : f[0] - 120));
  const shape = JSON.stringify([spec.unit, spec.curves.map((c) => [c.name, c.tone])]);
  if (had && had.shape === shape && !again) {
    had.plot.setData(figures);
    had.text = text;
    return;
  }
  had?.plot.destroy();
  const plot = new uPlot(options(spec, element.clientWidth, 170), figures, element);
  drawn.set(element, { text, shape, plot });
  if (!had) sizes.observe(element);
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = drawn.get(target)?.plot;
    if (plot && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: 170 });
  }
});

const all = (again) => document.querySelectorAll("[data-plot]").forEach((e) => draw(e, again));
document.addEventListener("refreshed", () => all(false));
addEventListener("theme", () => all(true));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all(true));
all(false);
