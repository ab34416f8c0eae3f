// ---- the computation: plain arrays in, plain arrays out ----

const LEAST_SIZES = 3;
const FARTHEST = 1000; // times the largest point

// the 0.975 quantile of Student's t for 1 to 30 degrees of freedom
const T_975 = [12.7062047362, 4.30265272975, 3.18244630528, 2.7764451052, 2.57058183564,
  2.44691185114, 2.36462425159, 2.3060041352, 2.2621571628, 2.22813885199, 2.20098516009,
  2.17881282967, 2.16036865646, 2.14478668792, 2.13144954556, 2.11990529922, 2.10981557783,
  2.10092204024, 2.09302405441, 2.08596344727, 2.07961384473, 2.0738730679, 2.06865761042,
  2.06389856163, 2.05953855275, 2.05552943864, 2.05183051648, 2.0484071418, 2.04522964213,
  2.0422724563];

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);
const meanOf = (values) => sumOf(values) / values.length;

/** Least squares on the logarithms: loss = scale * size ** -exponent, with its 95 % interval. */
function powerLaw(sizes, losses) {
  const [x, y] = [sizes, losses].map((values) => values.map(Math.log));
  const [middle, height] = [meanOf(x), meanOf(y)];
  const spread = sumOf(x.map((value) => (value - middle) ** 2));
  const slope = sumOf(x.map((value, i) => (value - middle) * (y[i] - height))) / spread;
  const intercept = height - slope * middle;
  const residuals = x.map((value, i) => y[i] - intercept - slope * value);
  const left = sumOf(residuals.map((value) => value ** 2)) / (x.length - 2);
  const half = T_975[x.length - 3] * Math.sqrt(left / spread);
  return { exponent: -slope, scale: Math.exp(intercept), interval: [-slope - half, -slope + half],
    at: (size) => Math.exp(intercept + slope * Math.log(size)) };
}

/** A run's place on an axis: its weights, or its floating-point operations. */
const xOf = (run, axis) => axis === "weights" ? run.weights : 6 * run.weights * run.characters;

/** The runs through which the fit of an axis may go, by rising x: longest runs, or the frontier. */
function pointsOf(runs, axis) {
  const wanted = axis === "weights"
    ? (run) => !runs.some((other) => other.weights === run.weights
      && other.characters > run.characters)
    : (run) => !runs.some((other) => other.loss < run.loss && xOf(other, axis) <= xOf(run, axis));
  return runs.map((_, k) => k).filter((k) => wanted(runs[k]))
    .sort((a, b) => xOf(runs[a], axis) - xOf(runs[b], axis) || a - b);
}

/** Whether enough different x stay for a line with an interval. */
function enough(runs, axis, excluded) {
  const left = pointsOf(runs, axis).filter((k) => !excluded.includes(k));
  return new Set(left.map((k) => xOf(runs[k], axis))).size >= LEAST_SIZES;
}

/** Everything that is shown: the points, the law through those that stay, what it says of each. */
function analyse(runs, { axis, excluded, floor, target }) {
  const points = pointsOf(runs, axis);
  const fitted = points.filter((k) => !excluded.includes(k));
  const x = runs.map((run) => xOf(run, axis));
  const above = runs.map((run) => run.loss - floor);
  const law = powerLaw(fitted.map((k) => x[k]), fitted.map((k) => above[k]));
  // per cent of the law's part of the loss: the share that is measured above or below it
  const residuals = runs.map((_, k) => 100 * (above[k] / law.at(x[k]) - 1));
  const miss = Math.sqrt(meanOf(fitted.map((k) => (above[k] - law.at(x[k])) ** 2)));
  const largest = x[points[points.length - 1]];
  const last = Math.max(...fitted.map((k) => x[k]));
  const first = Math.min(...fitted.map((k) => x[k]));
  const far = target * largest;
  return { points, fitted, x, above, law, residuals, miss, largest, first, last, far,
    predicted: floor + law.at(far), beyond: Math.log10(far / last),
    span: Math.log10(last / first) };
}

/** Steps of the slider for the floor: about a hundredth of the smallest loss, and all below it. */
function floorSteps(smallest) {
  const power = Math.floor(Math.log10(smallest)) - 2;
  const digits = Math.max(0, -power);
  const count = Math.ceil(smallest / 10 ** power - 0.5) - 1;
  return { step: (10 ** power).toFixed(digits), max: (count * 10 ** power).toFixed(digits) };
}

const MANTISSAS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4, 5,
  6, 8]];

/** Round numbers for a logarithmic axis, at least `wanted` of them if there are so many. */
function logTicks(low, high, wanted, most) {
  const inside = (value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  const powers = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e += 1) powers.push(e);
  for (const mantissas of MANTISSAS) {
    const ticks = powers.flatMap((e) => mantissas.map((m) => Number(`${m}e${e}`))).filter(inside);
    const every = Math.ceil(ticks.length / most);
    if (ticks.length >= wanted) return ticks.filter((_, i) => i % every === 0);
  }
  const step = roundUp((high - low) / (wanted + 1));
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) {
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
}

/** The next of 1, 2, 5, 10, 20, ... */
function roundUp(value) {
  const e = Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((m) => Number(`${m}e${e}`)).find((round) => value <= round * (1 + 1e-9));
}

// ---- the words ----

/** 4096 -> "4,096". */
const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** 1.0512e9 -> "1.05 billion". */
function about(value) {
  const round = Number(value.toPrecision(3));
  const [unit, word] = [[1e12, " trillion"], [1e9, " billion"], [1e6, " million"], [1, ""]]
    .find(([size]) => round >= size) || [1, ""];
  if (round >= 1e15) return powers(value);
  return unit === 1 ? whole(round) : Number((round / unit).toPrecision(3)) + word;
}

/** 1.634e12 -> "1.63·10¹²". */
function powers(value) {
  const [mantissa, exponent] = value.toExponential(2).split("e");
  return `${mantissa}\u00b7${powerOfTen(Number(exponent))}`;
}

/** 12.345 -> "12.3", 1234567 -> "1.23·10⁶". */
function threeDigits(value) {
  if (value < 0.01 || value >= 9999.5) return powers(value);
  return value < 999.5 ? value.toPrecision(3) : whole(Number(value.toPrecision(3)));
}

const lossText = (value) => value >= 0.01 || value === 0 ? fixed(value, 3) : scientific(value);

const percent = (value) => (Number(value.toFixed(1)) > 0 ? "+" : "") + fixed(value, 1) + " %";

/** As many decimals as the slider has, or as the kernel gave. */
const floorText = (value, step) => {
  const digits = (step.split(".")[1] || "").length;
  return Number(value.toFixed(digits)) === value ? value.toFixed(digits) : String(value);
};

const UNITS = { weights: "weights", compute: "operations" };
const amount = (value, axis) => `${axis === "weights" ? about(value) : powers(value)} ${
  UNITS[axis]}`;
const timesText = (target) => `\u00d7${whole(Number(target.toPrecision(3)))}`;
const runText = (run) => `${whole(run.weights)} weights, ${about(run.characters)} characters`;
const intervalText = ([low, high]) => `${fixed(low, 3)} to ${fixed(high, 3)}`;

function describe(found, { axis, floor, target }) {
  const { law, points, fitted, far, predicted, beyond } = found;
  const count = fitted.length === points.length ? `all ${points.length}`
    : `${fitted.length} of ${points.length}`;
  const what = floor > 0 ? "what lies above the floor" : "the loss";
  const words = `From ${count} points: exponent ${fixed(law.exponent, 3)}, 95 % interval `
    + `${intervalText(law.interval)}. Ten times ${axis === "weights" ? "as many weights multiply"
      : "the compute multiplies"} ${what} by ${fixed(10 ** -law.exponent, 3)}.`;
  return target === 1 && beyond <= 0 ? words : `${words} Extrapolated over ${fixed(beyond, 1)} `
    + `powers of ten, to ${amount(far, axis)}, it gives ${lossText(predicted)}.`;
}

function readRun(run, k, { points, fitted, residuals }) {
  const words = `${runText(run)}: loss ${lossText(run.loss)}`;
  if (!points.includes(k)) return `${words}. Not on the frontier.`;
  return `${words}, residual ${percent(residuals[k])}${fitted.includes(k) ? "."
    : ". Taken out of the fit."}`;
}

// ---- the drawing ----

const HIT = 11;

/** The frame of both panels: scales, and the ranges that everything shown needs. */
function scales(width, found, { target }, drawn) {
  const small = width < 480;
  const margin = { left: 54, right: small ? 12 : 20, top: 26 };
  const [main, gap, strip] = [small ? 250 : 300, 34, small ? 76 : 88];
  const { x, above, law, far, residuals, points } = found;
  const left = Math.min(...drawn.map((k) => x[k]));
  const right = Math.max(far, ...drawn.map((k) => x[k]));
  const values = [...drawn.map((k) => above[k]), law.at(left), law.at(right)];
  const range = (low, high, share) => {
    const room = Math.max(share * Math.log10(high / low), 0.005);
    return [Math.log10(low) - room, Math.log10(high) + room];
  };
  const [x0, x1] = range(left, right, 0.05);
  const [y0, y1] = range(Math.min(...values), Math.max(...values), target > 1 ? 0.12 : 0.07);
  const edge = width - margin.right;
  const [bottom, top] = [margin.top + main, margin.top];
  const middle = bottom + gap + strip / 2;
  const most = roundUp(Math.max(0.1, ...points.map((k) => Math.abs(residuals[k]))));
  return { small, margin, edge, top, bottom, middle, strip, most,
    height: bottom + gap + strip + 44, low: bottom + gap + strip,
    ticks: { x: logTicks(10 ** x0, 10 ** x1, 2, small ? 5 : 8),
      y: logTicks(10 ** y0, 10 ** y1, 4, 8) },
    x: (value) => margin.left + (Math.log10(value) - x0) / (x1 - x0) * (edge - margin.left),
    y: (value) => bottom - (Math.log10(value) - y0) / (y1 - y0) * (bottom - top),
    r: (value) => middle - value / most * (strip / 2) };
}

function tickText(value) {
  const [mantissa, exponent] = value.toExponential().split("e");
  return mantissa === "1" ? powerOfTen(Number(exponent))
    : `${Number(Number(mantissa).toPrecision(3))}\u00b7${powerOfTen(Number(exponent))}`;
}

/** Grid, axes, their numbers and names. */
function drawAxes(put, at, { floor, axis }) {
  const { left } = at.margin;
  for (const value of at.ticks.x) {
    put("line", { class: "nlpx-grid", x1: at.x(value), x2: at.x(value), y1: at.top, y2: at.bottom });
    put("line", { class: "nlpx-grid", x1: at.x(value), x2: at.x(value),
      y1: at.middle - at.strip / 2, y2: at.low + 4 });
    put("text", { class: "nlpx-number", x: at.x(value), y: at.low + 18, "text-anchor": "middle" },
      tickText(value));
  }
  for (const value of at.ticks.y) {
    put("line", { class: "nlpx-grid", x1: left, x2: at.edge, y1: at.y(value), y2: at.y(value) });
    put("text", { class: "nlpx-number", x: left - 7, y: at.y(value) + 4, "text-anchor": "end" },
      String(value));
  }
  for (const value of [-at.most, 0, at.most]) {
    put("line", { class: value ? "nlpx-grid" : "nlpx-axis", x1: left, x2: at.edge,
      y1: at.r(value), y2: at.r(value) });
    put("text", { class: "nlpx-number", x: left - 7, y: at.r(value) + 4, "text-anchor": "end" },
      value > 0 ? `+${value}` : value < 0 ? `\u2212${-value}` : "0");
  }
  put("line", { class: "nlpx-axis", x1: left, x2: at.edge, y1: at.bottom, y2: at.bottom });
  put("text", { class: "nlpx-quiet", x: 2, y: 13 },
    `${floor > 0 ? "loss \u2212 floor" : "loss"}, nats per character`);
  put("text", { class: "nlpx-quiet", x: 2, y: at.bottom + 24 }, "residual: above or below the law, "
    + "%");
  put("text", { class: "nlpx-quiet", x: at.edge, y: at.height - 6, "text-anchor": "end" },
    axis === "weights" ? "weights in the layers"
      : at.small ? "compute, operations" : "compute of the training, floating-point operations");
}

/** Chart and residuals; a point that is clicked calls `toggle(run)`, a run pointed at `look(run)`. */
function drawChart({ width, runs, found, setting, toggle, look, leave }) {
  const { axis, target } = setting;
  const drawn = axis === "compute" ? runs.map((_, k) => k) : found.points;
  const at = scales(width, found, setting, drawn);
  const { x, above, law, points, fitted, residuals, first, last, far, largest, predicted } = found;
  const svg = draw("svg", { class: "nlpx-sp-chart", viewBox: `0 0 ${width} ${at.height}`, width,
    height: at.height, role: "img", "aria-label": `Loss against ${axis}, both logarithmic: `
      + `${drawn.length} runs and the straight line of the law through ${fitted.length} of them. `
      + "The table has their numbers." });
  const put = (tag, attributes, ...children) => {
    const node = draw(tag, attributes, ...children);
    svg.append(node);
    return node;
  };
  const right = Math.max(far, largest);
  if (right > last * (1 + 1e-9)) {
    const edges = { x: at.x(last), width: at.edge - at.x(last) };
    put("rect", { class: "nlpx-sp-beyond", y: at.top, height: at.bottom - at.top, ...edges });
  }
  drawAxes(put, at, setting);
  if (right > last * 1.8) {
    put("text", { class: "nlpx-quiet", x: at.edge - 6, y: at.top + 15, "text-anchor": "end" },
      "extrapolated");
  }
  if (axis === "compute") {
    for (const weights of new Set(runs.map((run) => run.weights))) {
      const ks = drawn.filter((k) => runs[k].weights === weights).sort((a, b) => x[a] - x[b]);
      put("polyline", { class: "nlpx-sp-size",
        points: ks.map((k) => `${at.x(x[k]).toFixed(1)},${at.y(above[k]).toFixed(1)}`).join(" ") });
    }
  }
  const line = (kind, from, to) => put("line", { class: `nlpx-sp-law ${kind}`, x1: at.x(from),
    x2: at.x(to), y1: at.y(law.at(from)), y2: at.y(law.at(to)) });
  const left = Math.min(...drawn.map((k) => x[k]));
  if (left < first) line("nlpx-sp-outside", left, first);
  line("nlpx-sp-inside", first, last);
  if (right > last) line("nlpx-sp-outside", last, right);

  for (const k of drawn.filter((one) => !points.includes(one))) {
    put("circle", { class: "nlpx-sp-other", "data-run": k, cx: at.x(x[k]), cy: at.y(above[k]),
      r: 3.5, on: { mouseenter: () => look(k), mouseleave: leave } });
  }
  const cross = (cx, cy, r) => `M${cx - r} ${cy - r}L${cx + r} ${cy + r}M${cx - r} ${cy + r}L${
    cx + r} ${cy - r}`;
  for (const k of points) {
    const out = !fitted.includes(k);
    const [cx, cy, ry] = [at.x(x[k]), at.y(above[k]), at.r(residuals[k])];
    put("line", { class: `nlpx-sp-stem${out ? " nlpx-sp-out" : ""}`, x1: cx, x2: cx,
      y1: at.middle, y2: ry });
    const marks = [draw("circle", { class: "nlpx-sp-residual", cx, cy: ry, r: 4,
      "data-value": residuals[k] })];
    if (out) marks.push(draw("path", { class: "nlpx-sp-cross", d: cross(cx, cy, 3) }));
    put("g", { class: `nlpx-sp-point${out ? " nlpx-sp-out" : ""}`, "data-run": k,
      on: { click: () => toggle(k), mouseenter: () => look(k), mouseleave: leave } },
    draw("circle", { class: "nlpx-sp-hit", cx, cy, r: HIT }),
    draw("circle", { class: "nlpx-sp-dot", cx, cy, r: 5.5 }), marks);
  }
  if (target > 1) {
    const [cx, cy] = [at.x(far), at.y(law.at(far))];
    put("path", { class: "nlpx-sp-goal", d: `M${cx - 7} ${cy}L${cx} ${cy - 7}L${cx + 7} ${cy}L${cx} ${
      cy + 7}Z` });
    const free = law.exponent > 0 ? 18 : -9; // the side that the line does not come from
    put("text", { class: "nlpx-number nlpx-strong nlpx-sp-goal-text", x: cx - 9, y: cy + free,
      "text-anchor": "end" }, lossText(predicted));
  }
  return svg;
}

/** The law as an equation; `\u00b7` and a raised exponent, so that it needs no mathematics font. */
function equation({ law }, { axis, floor }, step) {
  const letter = make("i", {}, axis === "weights" ? "N" : "C");
  return [make("span", { class: "nlpx-sp-formula" }, "loss = ",
    floor > 0 ? `${floorText(floor, step)} + ` : "", `${threeDigits(law.scale)} \u00b7 `, letter,
    make("sup", {}, fixed(-law.exponent, 3))),
  make("span", { class: "nlpx-note" }, axis === "weights" ? "N: weights in the layers"
    : "C = 6 \u00b7 weights \u00b7 characters")];
}

/** The table of the points: a box to take each one out of the fit, and its numbers. */
function pointRow(model, run, k, axis, toggle, { look, leave }) {
  const id = freshId(model);
  const box = make("input", { type: "checkbox", id, "data-run": k, on: { change: () => toggle(k) } });
  const cells = ["loss", "law", "residual"].map((kind) => make("td", { class: `nlpx-sp-number-${kind}` }));
  const label = axis === "weights" ? [whole(run.weights)] : [powers(xOf(run, axis))];
  const node = make("tr", { "data-run": k, on: { mouseenter: () => look(k), focusin: () => look(k),
    mouseleave: leave, focusout: () => look(-1) } },
  make("th", { scope: "row" }, box, make("label", { for: id }, label, make("span",
    { class: "nlpx-sp-hidden" }, axis === "weights" ? " weights, in the fit"
      : ` operations, ${runText(run)}, in the fit`))), axis === "weights" ? null
    : make("td", { class: "nlpx-sp-weights" }, whole(run.weights)), cells);
  const show = (values, inFit, locked) => {
    box.checked = inFit;
    box.setAttribute("aria-disabled", String(inFit && locked));
    node.classList.toggle("nlpx-sp-out", !inFit);
    [lossText, lossText, percent].forEach((write, i) => {
      cells[i].textContent = write(values[i]);
      cells[i].dataset.value = values[i];
    });
  };
  return { k, node, show };
}

const sample = (...shapes) => draw("svg", { class: "nlpx-swatch", viewBox: "0 0 24 14", width: 24,
  height: 14, "aria-hidden": "true" }, shapes);

function legendOf(axis) {
  const dot = (out) => draw("g", { class: `nlpx-sp-point${out ? " nlpx-sp-out" : ""}` },
    draw("circle", { class: "nlpx-sp-dot", cx: 12, cy: 7, r: 5 }),
    out ? draw("path", { class: "nlpx-sp-cross", d: "M9 4L15 10M9 10L15 4" }) : null);
  const law = (kind) => draw("line", { class: `nlpx-sp-law ${kind}`, x1: 1, x2: 23, y1: 7, y2: 7 });
  return [[sample(dot(false)), axis === "weights" ? "the longest run of each size"
    : "frontier: no run with as little compute has a lower loss"],
  [sample(dot(true)), "taken out of the fit"],
  axis === "compute" ? [sample(draw("line", { class: "nlpx-sp-size", x1: 1, x2: 23, y1: 7, y2: 7 }),
    draw("circle", { class: "nlpx-sp-other", cx: 12, cy: 7, r: 3.5 })),
  "other runs, those of one size joined"] : null,
  [sample(law("nlpx-sp-inside")), "the law, over the fitted points"],
  [sample(law("nlpx-sp-outside")), "the law beyond them"]].filter(Boolean)
    .map(([mark, words]) => make("li", {}, mark, words));
}

function render({ model, el }) {
  const runs = model.get("runs");
  const { step, max } = floorSteps(Math.min(...runs.map((run) => run.loss)));
  const shown = { axis: null, rows: [], found: null, width: 0, timer: 0, before: "" };
  const setting = () => ({ axis: model.get("axis"), excluded: model.get("excluded"),
    floor: model.get("floor"), target: model.get("target") });

  function toggle(k) {
    const { axis, excluded } = setting();
    const changed = excluded.includes(k) ? excluded.filter((one) => one !== k)
      : [...excluded, k].sort((a, b) => a - b);
    if (enough(runs, axis, changed)) {
      update(model, { excluded: changed });
      return;
    }
    redraw(); // the box is ticked again
    sayNow(`At least ${LEAST_SIZES} points must stay in the fit.`);
  }

  function changeAxis(axis) {
    if (enough(runs, axis, model.get("excluded"))) {
      update(model, { axis });
      return;
    }
    shown.before = `All points are in the fit again: too few of the ${axis} were left. `;
    update(model, { axis, excluded: [] });
  }

  // controls
  const axes = choice(model, { legend: "Loss against", options: [["weights", "weights"],
    ["compute", "compute"]], value: "weights", onChange: changeAxis });
  const back = button("All points into the fit", () => update(model, { excluded: [] }));
  const floors = slider(model, { label: "Floor", min: 0, max, step, value: 0,
    write: (value) => `${floorText(value, step)} nats`, onInput: (floor) => update(model, { floor }) });
  const targets = slider(model, { label: "Ask the law at", min: 0, max: Math.log10(FARTHEST),
    step: 0.05, value: 0, write: (value) => timesText(10 ** value),
    onInput: (value) => update(model, { target: Number((10 ** value).toPrecision(6)) }) });
  const targetOutput = targets.node.querySelector("output");
  for (const { node } of [floors, targets]) node.classList.add("nlpx-sp-slider");

  // what is shown
  const formula = make("p", { class: "nlpx-sp-equation" });
  const measures = ["exponent", "95 % interval", "typical residual, nats"].map((label) => {
    const cell = make("td", {});
    return { cell, node: make("tr", {}, make("th", { scope: "row" }, label), cell) };
  });
  const numbers = make("table", { class: "nlpx-sp-measures" }, make("tbody", {},
    measures.map(({ node }) => node)));
  const figure = make("div", { class: "nlpx-figure nlpx-sp-figure" });
  const reading = make("p", { class: "nlpx-note nlpx-sp-reading" });
  const legend = make("ul", { class: "nlpx-legend nlpx-sp-legend" });
  const caption = make("caption", {});
  const head = make("tr", {});
  const body = make("tbody", {});
  const table = make("table", { class: "nlpx-sp-points" }, caption, make("thead", {}, head), body);
  const caution = make("div", { class: "nlpx-sp-caution" });
  const view = frame(model, el, "How does the loss fall with size and compute?",
    make("div", { class: "nlpx-controls nlpx-sp-controls" }, axes.node, floors.node),
    make("div", { class: "nlpx-sp-parts" },
      make("div", { class: "nlpx-sp-part" }, figure, reading, legend),
      make("div", { class: "nlpx-sp-part nlpx-sp-side" },
        make("div", { class: "nlpx-sp-part" }, formula, numbers, back), table)),
    make("div", { class: "nlpx-sp-ask" }, targets.node, caution),
    make("p", { class: "nlpx-note" }, "A power law is a straight line when both axes are "
      + "logarithmic. The line is fitted by least squares to the logarithms of loss \u2212 floor; "
      + "the floor is the loss that no model can get below, and you choose it. The interval "
      + "(Student\u2019s t) holds for errors that are independent and equally large, and for this "
      + "floor only. Compute counts a multiplication and an addition as two operations, and the "
      + "backward pass as twice the forward one."));
  view.node.querySelector(".nlpx-sp-parts").before(view.status);
  view.status.classList.add("nlpx-sp-status");

  function look(k) {
    for (const node of figure.querySelectorAll(".nlpx-sp-point")) {
      node.classList.toggle("nlpx-sp-looked", Number(node.dataset.run) === k);
    }
    reading.textContent = k < 0 ? "Point at a run to read it. A click takes a point out of the fit, "
      + "or back into it." : readRun(runs[k], k, shown.found);
  }

  /** Back to the row that has the focus, if one has. */
  function leave() {
    const focused = body.querySelector("tr:focus-within");
    look(focused ? Number(focused.dataset.run) : -1);
  }

  function showAxis(axis) {
    shown.axis = axis;
    axes.show(axis);
    legend.replaceChildren(...legendOf(axis));
    caption.textContent = axis === "weights" ? "Points of the fit: each size\u2019s longest run"
      : "Points of the fit: the frontier";
    const columns = axis === "weights" ? ["weights", "loss", "law", "residual"]
      : ["compute", "weights", "loss", "law", "residual"];
    head.replaceChildren(...columns.map((name) => make("th", { scope: "col",
      class: `nlpx-sp-column-${name}` }, name)));
    shown.rows = pointsOf(runs, axis).map((k) => pointRow(model, runs[k], k, axis, toggle,
      { look, leave }));
    body.replaceChildren(...shown.rows.map(({ node }) => node));
  }

  function showCaution({ far, largest, predicted, beyond, span, points, fitted }, { axis, target }) {
    const lossHere = make("strong", { class: "nlpx-sp-predicted", "data-value": predicted,
      "data-x": far }, lossText(predicted));
    const outside = beyond > 1e-9;
    caution.classList.toggle("nlpx-sp-outside", outside);
    const where = axis === "weights" && target === 1 ? `${whole(largest)} weights`
      : amount(far, axis);
    const measured = target === 1
      ? ` Measured there: ${lossText(runs[points[points.length - 1]].loss)}.` : "";
    caution.replaceChildren(make("p", {}, `At ${where} the law gives a loss of `, lossHere,
      ` nats per character.${measured}`), make("p", {}, outside
      ? make("span", {}, make("b", {}, "Caution: "), `this is an extrapolation over ${
        fixed(beyond, 1)} powers of ten beyond the last of the ${fitted.length} fitted points, `
        + `which span ${fixed(span, 1)}. Nothing measured here says that the line goes on so far, `
        + "or which floor is right.")
      : `Move the slider to ask about ${axis === "weights"
        ? "a larger model than any that was trained" : "more compute than any run had"}.`));
  }

  function redraw() {
    const now = setting();
    if (shown.axis !== now.axis) showAxis(now.axis);
    const found = analyse(runs, now);
    shown.found = found;
    floors.show(now.floor);
    targets.show(Math.log10(now.target));
    targetOutput.textContent = timesText(now.target); // the kernel's may lie between two stops
    targets.input.setAttribute("aria-valuetext", `${timesText(now.target)}, ${
      amount(found.far, now.axis)}: loss ${lossText(found.predicted)}`);
    floors.input.setAttribute("aria-valuetext", `${floorText(now.floor, step)} nats per character`);
    floors.node.querySelector("output").textContent = `${floorText(now.floor, step)} nats`;
    back.setAttribute("aria-disabled", String(found.fitted.length === found.points.length));
    formula.replaceChildren(...equation(found, now, step));
    const { law, miss } = found;
    [fixed(law.exponent, 3), intervalText(law.interval), lossText(miss)].forEach((text, i) => {
      measures[i].cell.textContent = text;
      measures[i].cell.dataset.value = [law.exponent, law.interval.join(" "), miss][i];
    });
    for (const { k, show } of shown.rows) {
      show([runs[k].loss, now.floor + law.at(found.x[k]), found.residuals[k]],
        found.fitted.includes(k), !enough(runs, now.axis, [...now.excluded, k]));
    }
    showCaution(found, now);
    if (shown.width) drawFigure(shown.width);
    saySoon(shown.before + describe(found, now));
    shown.before = "";
  }

  function drawFigure(width) {
    shown.width = width;
    figure.replaceChildren(drawChart({ width, runs, found: shown.found, setting: setting(), toggle,
      look, leave }));
    leave();
  }

  function sayNow(words) {
    clearTimeout(shown.timer);
    view.say(words);
  }

  /** A moving slider must not make a screen reader talk: the sentence waits until it rests. */
  function saySoon(words) {
    clearTimeout(shown.timer);
    if (view.status.textContent) shown.timer = setTimeout(() => view.say(words), 450);
    else view.say(words);
  }

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["axis", "excluded", "floor", "target"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopWatching = followWidth(figure, drawFigure);
  return () => { clearTimeout(shown.timer); stopListening(); stopWatching(); };
}

export default { render };
