// ---- the computation: plain arrays in, plain arrays out ----

/** |dL/ds_k| for lag T - k = 0..T of s_t = f(rho W s_{t-1} + inputs_t), dL/ds_T = 1/sqrt(hidden). */
function gradientNorms(W, inputs, rho, activation) {
  const hidden = W.length;
  const bend = activation === "tanh" ? Math.tanh : (value) => value;
  const slope = activation === "tanh" ? (state) => 1 - state * state : () => 1;
  const states = [];
  let state = new Array(hidden).fill(0);
  for (const drive of inputs) {
    const previous = state;
    state = drive.map((value, i) =>
      bend(value + rho * W[i].reduce((sum, w, j) => sum + w * previous[j], 0)));
    states.push(state);
  }
  let gradient = new Array(hidden).fill(1 / Math.sqrt(hidden));
  const norms = [Math.hypot(...gradient)];
  for (let t = states.length - 1; t >= 0; t -= 1) {
    const before = new Array(hidden).fill(0);
    for (let i = 0; i < hidden; i += 1) {
      const sent = rho * slope(states[t][i]) * gradient[i];
      for (let j = 0; j < hidden; j += 1) before[j] += W[i][j] * sent;
    }
    gradient = before;
    norms.push(Math.hypot(...gradient));
  }
  return norms;
}

const VANISHED = 1e-2;
const EXPLODED = 1e2;
const VERDICT_LAG = 20;

function verdictOn(norms) {
  const lag = Math.min(VERDICT_LAG, norms.length - 1);
  const left = norms[lag];
  const verb = left < VANISHED ? "vanishes" : left > EXPLODED ? "explodes" : "survives";
  return { lag, left, verb };
}

function verdictWords({ lag, left, verb }) {
  return verb === "explodes"
    ? `After ${lag} steps the gradient is ${scientific(left)} times as long: it explodes.`
    : `After ${lag} steps ${scientific(left)} of the gradient is left: it ${verb}.`;
}

// ---- the drawing ----

const MAX_PINS = 3;
const DASHES = ["9 4", "3 3", "10 3 2 3"];

function nameOf({ rho, activation }) {
  return `\u03c1 = ${fixed(rho)}, ${activation}`;
}

/** The chart: length of the gradient (log) against lag, with the zones named. */
function drawChart({ width, norms, rho, pins, lag, low, high, readAt }) {
  const T = norms.length - 1;
  const margin = { left: 50, right: 22, top: 28, bottom: 46 };
  const height = width < 480 ? 290 : 330;
  const right = width - margin.right;
  const bottom = height - margin.bottom;
  const x = (k) => margin.left + (k / T) * (right - margin.left);
  const exponent = (value) => clamp(Math.log10(value), low, high);
  const y = (value) => bottom - ((exponent(value) - low) / (high - low)) * (bottom - margin.top);
  const inside = (value) => value >= 10 ** low * 0.999 && value <= 10 ** high * 1.001;
  const ends = `from ${scientific(norms[0])} at lag 0 to ${scientific(norms[T])} at lag ${T}`;
  const svg = draw("svg", { class: "nlpx-chart", viewBox: `0 0 ${width} ${height}`, width, height,
    role: "img", "aria-label": `Length of the gradient against lag on a logarithmic axis, ${ends}.` });
  const put = (tag, attributes, ...children) => svg.append(draw(tag, attributes, ...children));

  put("rect", { class: "nlpx-zone", x: margin.left, y: margin.top, width: right - margin.left,
    height: Math.max(0, y(EXPLODED) - margin.top) });
  put("rect", { class: "nlpx-zone", x: margin.left, y: y(VANISHED), width: right - margin.left,
    height: Math.max(0, bottom - y(VANISHED)) });
  const every = Math.max(1, Math.ceil((high - low) / 9));
  for (let e = Math.ceil(low / every) * every; e <= high; e += every) {
    put("line", { class: "nlpx-grid", x1: margin.left, x2: right, y1: y(10 ** e), y2: y(10 ** e) });
    put("text", { class: "nlpx-number", x: margin.left - 7, y: y(10 ** e) + 4,
      "text-anchor": "end" }, powerOfTen(e));
  }
  const gap = [1, 2, 5, 10, 20, 50].find((n) => T / n <= (width < 480 ? 6 : 10)) || 50;
  for (let k = 0; k <= T; k += gap) {
    put("line", { class: "nlpx-axis", x1: x(k), x2: x(k), y1: bottom, y2: bottom + 4 });
    put("text", { class: "nlpx-number", x: x(k), y: bottom + 18, "text-anchor": "middle" },
      String(k));
  }
  put("line", { class: "nlpx-axis", x1: margin.left, x2: right, y1: bottom, y2: bottom });
  put("text", { class: "nlpx-quiet", x: right, y: height - 8, "text-anchor": "end" },
    "lag: steps back from the last state");
  put("text", { class: "nlpx-quiet", x: 2, y: 13 }, "length of the gradient (1 at lag 0)");
  put("text", { class: "nlpx-quiet", x: right - 6, y: margin.top + 15, "text-anchor": "end" },
    "exploded: above 10\u00b2");
  put("text", { class: "nlpx-quiet", x: margin.left + 8, y: bottom - 8 },
    "vanished: below 10\u207b\u00b2");

  /** A line that stops at the edge of the chart, with an arrow where it leaves. */
  const curve = (values, attributes, mark) => {
    let path = "";
    let last = 0;
    for (let k = 0; k < values.length; k += 1) {
      path += `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(values[k]).toFixed(1)}`;
      last = k;
      if (!inside(values[k])) break;
    }
    put("path", { fill: "none", ...attributes, d: path });
    if (mark) {
      put("circle", { class: "nlpx-pin-mark", cx: x(last), cy: y(values[last]), r: 8 });
      put("text", { class: "nlpx-number nlpx-strong", x: x(last), y: y(values[last]) + 4,
        "text-anchor": "middle" }, mark);
    }
    return last;
  };
  curve(norms.map((_, k) => rho ** k), { class: "nlpx-reference" });
  pins.forEach((pin, i) => curve(pin.norms, { class: "nlpx-pinned",
    "stroke-dasharray": DASHES[i] }, String(i + 1)));
  const last = curve(norms, { class: "nlpx-curve" });
  if (last < T) {
    const up = norms[last] > 1;
    const edge = up ? margin.top : bottom;
    const inwards = up ? 9 : -9;
    put("path", { class: "nlpx-curve-tip",
      d: `M${x(last) - 5} ${edge + inwards}L${x(last)} ${edge}L${x(last) + 5} ${edge + inwards}Z` });
  }
  for (let k = 0; k <= last; k += T > 60 ? 2 : 1) {
    put("circle", { class: "nlpx-dot", cx: x(k), cy: y(norms[k]), r: width < 480 ? 1.8 : 2.4 });
  }
  put("line", { class: "nlpx-cursor", x1: x(lag), x2: x(lag), y1: margin.top, y2: bottom });
  put("circle", { class: "nlpx-reading", cx: x(lag), cy: y(norms[lag]), r: 6 });

  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    readAt(clamp(Math.round(((at - margin.left) / (right - margin.left)) * T), 0, T));
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  return svg;
}

function swatch(kind, dash) {
  return draw("svg", { class: "nlpx-swatch", viewBox: "0 0 30 10", width: 30, height: 10,
    "aria-hidden": "true" },
    draw("path", { class: kind, d: "M1 5H29", fill: "none", "stroke-dasharray": dash }));
}

function render({ model, el }) {
  const W = model.get("W");
  const inputs = model.get("inputs");
  const T = inputs.length;
  const low = Math.max(-12, Math.floor(T * Math.log10(0.5)));
  const high = Math.min(8, Math.max(3, Math.ceil(T * Math.log10(1.5))));
  const pins = [];
  let norms = [];
  let width = 0;

  const rho = slider(model, { label: "Spectral radius \u03c1", min: 0.5, max: 1.5, step: 0.01,
    value: model.get("rho"), write: (value) => fixed(value),
    onInput: (value) => update(model, { rho: value }) });
  const activation = choice(model, { legend: "Activation f", options: [["tanh", "tanh"],
    ["linear", "linear"]], value: model.get("activation"),
    onChange: (value) => update(model, { activation: value }) });
  const pin = button("Pin this curve", () => {
    if (pins.length === MAX_PINS) pins.shift();
    pins.push({ rho: model.get("rho"), activation: model.get("activation"), norms });
    redraw();
    view.say(`Pinned ${nameOf(pins[pins.length - 1])} as curve ${pins.length}.`);
  });
  const clear = button("Remove pins", () => {
    if (!pins.length) return;
    pins.length = 0;
    redraw();
    view.say("All pinned curves are gone.");
  });
  const reading = slider(model, { label: "Read at lag", min: 0, max: T, step: 1,
    value: model.get("lag"), write: String, onInput: (value) => update(model, { lag: value }) });
  const figure = make("div", { class: "nlpx-figure" });
  const legend = make("ul", { class: "nlpx-legend" });
  const readout = make("p", { class: "nlpx-readout", "aria-live": "polite" });
  const view = frame(model, el, "How far back does the gradient reach?",
    make("div", { class: "nlpx-controls" }, rho.node, activation.node,
      make("div", { class: "nlpx-field" }, pin, clear)),
    figure, legend, reading.node, readout,
    make("p", { class: "nlpx-note" }, "The network is ", indexed("s", "t"), " = f(\u03c1 W ",
      indexed("s", "t\u22121"), " + drive), with W of spectral radius 1. The gradient starts at the "
      + "last state as the vector with all components equal and length 1. Judged after "
      + `${Math.min(VERDICT_LAG, T)} steps: below 1e-02 of its length it vanishes, above 1e+02 `
      + "times its length it explodes, otherwise it survives."));
  figure.before(view.status);
  view.status.classList.add("nlpx-verdict");

  function legendRow(kind, dash, words, values) {
    const { lag, left, verb } = verdictOn(values);
    return make("li", {}, swatch(kind, dash), `${words}: ${scientific(left)} after ${lag} steps`,
      `, ${verb}`);
  }

  function drawAll() {
    const lag = clamp(model.get("lag"), 0, T);
    figure.replaceChildren(drawChart({ width: width || 640, norms, rho: model.get("rho"), pins, lag,
      low, high, readAt: (k) => update(model, { lag: k }) }));
    reading.show(lag);
    readout.replaceChildren(`Lag ${lag}, back to state ${T - lag}: length `,
      make("strong", { class: "nlpx-length", "data-value": norms[lag].toPrecision(9) },
        scientific(norms[lag])),
      `; \u03c1 to the power ${lag} is ${scientific(model.get("rho") ** lag)}.`);
  }

  function redraw() {
    const setting = { rho: model.get("rho"), activation: model.get("activation") };
    norms = gradientNorms(W, inputs, setting.rho, setting.activation);
    rho.show(setting.rho);
    activation.show(setting.activation);
    clear.setAttribute("aria-disabled", String(!pins.length));
    legend.replaceChildren(
      make("li", {}, swatch("nlpx-curve"), make("strong", {}, nameOf(setting))),
      make("li", {}, swatch("nlpx-reference"), "reference: \u03c1 to the power of the lag"),
      ...pins.map((one, i) => legendRow("nlpx-pinned", DASHES[i], `${i + 1}: ${nameOf(one)}`,
        one.norms)));
    view.say(verdictWords(verdictOn(norms)));
    drawAll();
  }

  const stopListening = listen(model, ["rho", "activation"], redraw);
  const stopReading = listen(model, ["lag"], drawAll);
  redraw();
  const stopFollowing = followWidth(figure, (now) => { width = now; drawAll(); });
  return () => { stopListening(); stopReading(); stopFollowing(); };
}

export default { render };
