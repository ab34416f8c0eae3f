// ---- the computation: plain arrays in, plain arrays out ----

/** By how many radians a pair of dimensions turns per position. */
const frequencyOf = (pair, dModel) => 10000 ** (-2 * pair / dModel);

const wavelengthOf = (pair, dModel) => 2 * Math.PI / frequencyOf(pair, dModel);

/** The vector of a position: dimension 2i a sine, dimension 2i + 1 a cosine. */
function encode(position, dModel) {
  return Array.from({ length: dModel }, (_, j) => {
    const angle = position * frequencyOf(Math.floor(j / 2), dModel);
    return j % 2 ? Math.cos(angle) : Math.sin(angle);
  });
}

const dot = (a, b) => a.reduce((sum, value, j) => sum + value * b[j], 0);

/** PE(position) times PE(q), q = 0, 1, ..., length - 1. */
function dotProducts(position, length, dModel) {
  const own = encode(position, dModel);
  return Array.from({ length }, (_, q) => dot(own, encode(q, dModel)));
}

/** An angle as whole turns and the rest, in radians. */
function turnsOf(angle) {
  const turns = Math.floor(angle / (2 * Math.PI));
  return { turns, rest: angle - turns * 2 * Math.PI };
}

// ---- the words ----

/** 1.2649 -> "1.26", 0.0316 -> "0.032", 0 -> "0". */
function radians(angle) {
  return angle === 0 ? "0" : angle >= 0.1 ? fixed(angle) : angle.toPrecision(2);
}

/** 6.283 -> "6.3", 19869.2 -> "19,869". */
function distance(positions) {
  return positions < 99.95 ? fixed(positions, 1)
    : Math.round(positions).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

function turnWords(angle) {
  const { turns, rest } = turnsOf(angle);
  return turns ? `${radians(angle)} rad (${turns} turn${turns > 1 ? "s" : ""} and ${
    radians(rest)} rad)` : `${radians(angle)} rad`;
}

function describe({ position, offset, pair, length, dModel }) {
  const speed = frequencyOf(pair, dModel);
  const to = position + offset;
  const beyond = to >= length ? `, beyond the table of ${length},` : "";
  const turned = offset ? `from position ${position} to ${to}${beyond} it turns by ${
    turnWords(offset * speed)}, wherever it starts.` : "with an offset of 0 it does not turn.";
  return `Pair ${pair} turns by ${radians(speed)} rad per position, once around every ${
    distance(wavelengthOf(pair, dModel))} positions; ${turned}`;
}

// ---- the drawing ----

const MAP = { left: 34, right: 34, top: 6, bottom: 40 };
const CLOCK = { radius: 118, side: 44, top: 38, bottom: 62 };
const PLOT = { left: 34, right: 14, top: 40, bottom: 40, height: 200 };

/** Round steps between ticks, so that at most `most` of them fit. */
const tickGap = (count, most) => [1, 2, 5, 10, 20, 50, 100].find((n) => count / n <= most) || 100;

const pathOf = (points) => points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(2)} ${
  y.toFixed(2)}`).join("");

/** One pixel per number, to be enlarged by the page. */
function paint(canvas, rows, scale) {
  const colours = scale.map(([fill]) => [1, 3, 5].map((k) => parseInt(fill.slice(k, k + 2), 16)));
  const [width, height] = [rows[0].length, rows.length];
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  rows.flat().forEach((value, k) => {
    const share = clamp((value + 1) / 2, 0, 1);
    image.data.set([...colours[Math.round(share * (scale.length - 1))], 255], 4 * k);
  });
  context.putImageData(image, 0, 0);
}

/** What lies over the heat map: ticks, the two rows and the pair's columns. */
function drawMap({ width, height, length, dModel, position, offset, pair }) {
  const [right, bottom] = [width - MAP.right, height - MAP.bottom];
  const x = (j) => MAP.left + (j / dModel) * (right - MAP.left);
  const y = (q) => MAP.top + (q / length) * (bottom - MAP.top);
  const middle = (q) => y(q + 0.5) + 4;
  const svg = draw("svg", { class: "nlpx-pe-marks", viewBox: `0 0 ${width} ${height}`, width,
    height, "aria-hidden": "true" });
  const put = (tag, attributes, ...children) => svg.append(draw(tag, attributes, ...children));
  /** Around the numbers, not over them. */
  const surround = (kind, left, top, across, down) => ["nlpx-pe-halo", "nlpx-pe-line"].forEach(
    (layer) => put("rect", { class: `${layer} ${kind}`, x: left - 1.5, y: top - 1.5,
      width: across + 3, height: down + 3 }));
  const to = position + offset;
  for (let q = 0; q < length; q += tickGap(length, 8)) {
    if (Math.abs(y(q) - y(position)) < 13) continue;
    put("text", { class: "nlpx-number nlpx-quiet", x: MAP.left - 6, y: middle(q),
      "text-anchor": "end" }, String(q));
  }
  const gap = tickGap(dModel, width < 330 ? 7 : 12);
  for (let j = 0; j < dModel; j += gap) {
    const near = Math.abs(x(j + 0.5) - x(2 * pair + 1)) < 32;
    if (near || Math.floor(j / 2) === pair) continue;
    put("text", { class: "nlpx-number nlpx-quiet", x: x(j + 0.5), y: bottom + 15,
      "text-anchor": "middle" }, String(j));
  }
  put("text", { class: "nlpx-number nlpx-strong", x: clamp(x(2 * pair + 1), 12, width - 16),
    y: bottom + 15, "text-anchor": "middle" }, `${2 * pair}, ${2 * pair + 1}`);
  put("text", { class: "nlpx-quiet", x: right, y: bottom + 33, "text-anchor": "end" },
    "\u2192 dimension");
  put("text", { class: "nlpx-quiet", x: 0, y: bottom + 33 }, "\u2193 position");
  surround("nlpx-pe-columns", x(2 * pair), MAP.top, x(2) - x(0), bottom - MAP.top);
  if (offset && to < length) {
    surround("nlpx-pe-row nlpx-pe-other", MAP.left, y(to), right - MAP.left, y(1) - y(0));
    put("text", { class: "nlpx-number nlpx-strong nlpx-pe-to", x: right + 6, y: middle(to) },
      String(to));
  }
  surround("nlpx-pe-row", MAP.left, y(position), right - MAP.left, y(1) - y(0));
  put("text", { class: "nlpx-number nlpx-strong nlpx-pe-from", x: MAP.left - 6,
    y: middle(position), "text-anchor": "end" }, String(position));
  return svg;
}

/** The pair as a clock: sine to the right, cosine upwards, so that it starts at twelve. */
function drawClock({ width, dModel, position, offset, pair }) {
  const speed = frequencyOf(pair, dModel);
  const radius = Math.min(width / 2 - CLOCK.side, CLOCK.radius);
  const height = 2 * radius + CLOCK.top + CLOCK.bottom;
  const centre = { x: width / 2, y: radius + CLOCK.top };
  const at = (angle, share) => ({ x: centre.x + Math.sin(angle) * radius * share,
    y: centre.y - Math.cos(angle) * radius * share });
  const svg = draw("svg", { class: "nlpx-pe-clock", viewBox: `0 0 ${width} ${height}`, width,
    height, role: "img", "aria-label": `Pair ${pair} as a clock: the hand of position ${
      position} and that of ${position + offset}, ${radians(offset * speed)} radians apart.` });
  const put = (tag, attributes, ...children) => svg.append(draw(tag, attributes, ...children));
  put("circle", { class: "nlpx-pe-face", cx: centre.x, cy: centre.y, r: radius });
  for (const turn of [0, 0.25, 0.5, 0.75]) {
    const [inner, outer] = [at(turn * 2 * Math.PI, 0), at(turn * 2 * Math.PI, 1)];
    put("line", { class: "nlpx-grid", x1: inner.x, y1: inner.y, x2: outer.x, y2: outer.y });
  }
  const [start, angle] = [position * speed, offset * speed];
  const { rest } = turnsOf(angle);
  if (offset) {
    const [from, to] = [at(start, 0.42), at(start + rest, 0.42)];
    put("path", { class: "nlpx-pe-arc", d: `M${from.x.toFixed(2)} ${from.y.toFixed(2)}A${
      (0.42 * radius).toFixed(2)} ${(0.42 * radius).toFixed(2)} 0 ${rest > Math.PI ? 1 : 0} 1 ${
      to.x.toFixed(2)} ${to.y.toFixed(2)}` });
    const back = start + rest - Math.min(rest / 2, 10 / (0.42 * radius));
    const head = [at(back, 0.42 + 5 / radius), to, at(back, 0.42 - 5 / radius)];
    put("path", { class: "nlpx-pe-arc", d: pathOf(head.map((point) => [point.x, point.y])) });
    for (let k = 1; k < Math.min(offset, 41); k += 1) {
      const step = at(start + k * speed, 1);
      put("circle", { class: "nlpx-pe-step", cx: step.x, cy: step.y, r: 2.2 });
    }
  }
  const near = Math.min(rest, 2 * Math.PI - rest) < 0.3;
  const hand = (q, kind, reach) => {
    const tip = at(q * speed, 1);
    const word = at(q * speed, reach);
    put("line", { class: `nlpx-pe-hand ${kind}`, x1: centre.x, y1: centre.y, x2: tip.x, y2: tip.y,
      "data-q": q, "data-x": Math.sin(q * speed).toPrecision(9),
      "data-y": Math.cos(q * speed).toPrecision(9) });
    put("circle", { class: `nlpx-pe-tip ${kind}`, cx: tip.x, cy: tip.y, r: 5 });
    put("text", { class: `nlpx-number nlpx-strong ${kind}`, x: word.x, y: word.y + 4,
      "text-anchor": "middle" }, String(q));
  };
  const reach = 1 + 16 / radius;
  if (offset) hand(position + offset, "nlpx-pe-to", near ? reach + 17 / radius : reach);
  hand(position, "nlpx-pe-from", reach);
  put("circle", { class: "nlpx-pe-hub", cx: centre.x, cy: centre.y, r: 3 });
  put("text", { class: "nlpx-quiet", x: 0, y: height - 7 }, `\u2191 cosine, dimension ${2 * pair + 1}`);
  put("text", { class: "nlpx-quiet", x: width, y: height - 7, "text-anchor": "end" },
    `\u2192 sine, dimension ${2 * pair}`);
  return svg;
}

/** Axes over positions, with a line at p and one at p + k; returns scales and `put`. */
function plotOver({ width, length, position, offset, low, high, kind, label, ticks }) {
  const [right, bottom] = [width - PLOT.right, PLOT.height - PLOT.bottom];
  const x = (q) => PLOT.left + (q / (length - 1)) * (right - PLOT.left);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - PLOT.top);
  const svg = draw("svg", { class: kind, viewBox: `0 0 ${width} ${PLOT.height}`, width,
    height: PLOT.height, role: "img", "aria-label": label });
  const put = (tag, attributes, ...children) => svg.append(draw(tag, attributes, ...children));
  for (const value of ticks) {
    put("line", { class: value ? "nlpx-grid" : "nlpx-axis", x1: PLOT.left, x2: right,
      y1: y(value), y2: y(value) });
    put("text", { class: "nlpx-number nlpx-quiet", x: PLOT.left - 6, y: y(value) + 4,
      "text-anchor": "end" }, (value < 0 ? "\u2212" : "") + Math.abs(value));
  }
  for (let q = 0; q < length; q += tickGap(length, width < 330 ? 5 : 8)) {
    put("line", { class: "nlpx-axis", x1: x(q), x2: x(q), y1: bottom, y2: bottom + 4 });
    put("text", { class: "nlpx-number nlpx-quiet", x: x(q), y: bottom + 17,
      "text-anchor": "middle" }, String(q));
  }
  const to = position + offset;
  const close = offset && x(to) - x(position) < 20;
  const line = (q, role, anchor) => {
    put("line", { class: `nlpx-pe-at ${role}`, x1: x(q), x2: x(q), y1: 18, y2: bottom });
    put("text", { class: `nlpx-number nlpx-strong ${role}`, x: x(q), y: 12,
      "text-anchor": anchor }, String(q));
  };
  if (offset && to < length) line(to, "nlpx-pe-to", close ? "start" : "middle");
  line(position, "nlpx-pe-from", close && to < length ? "end" : "middle");
  return { svg, put, x, y, bottom, right };
}

/** The pair's sine and cosine along the positions. */
function drawWaves({ width, length, dModel, position, offset, pair }) {
  const speed = frequencyOf(pair, dModel);
  const wavelength = wavelengthOf(pair, dModel);
  const { svg, put, x, y, bottom, right } = plotOver({ width, length, position, offset, low: -1.15,
    high: 1.15, kind: "nlpx-pe-waves", ticks: [-1, 0, 1], label: `Sine and cosine of pair ${
      pair} along ${length} positions, wavelength ${distance(wavelength)} positions.` });
  put("text", { class: "nlpx-quiet", x: right, y: bottom + 34, "text-anchor": "end" },
    "position");
  const samples = Math.max(2, Math.min(8 * (length - 1), Math.round(2 * width)));
  const at = (k) => (k / samples) * (length - 1);
  const wave = (of) => pathOf(Array.from({ length: samples + 1 },
    (_, k) => [x(at(k)), y(of(at(k) * speed))]));
  put("path", { class: "nlpx-pe-wave", d: wave(Math.sin) });
  put("path", { class: "nlpx-pe-wave nlpx-pe-cosine", d: wave(Math.cos) });
  if (wavelength <= length - 1) {
    const end = x(wavelength);
    put("path", { class: "nlpx-arrow nlpx-pe-span", d: `M${x(0)} 25V33M${x(0)} 29H${end}M${
      end} 25V33` });
    if (end + 36 < right) {
      put("text", { class: "nlpx-number nlpx-pe-named", x: end + 6, y: 33 }, distance(wavelength));
    }
  }
  for (const [q, role] of [[position + offset, "nlpx-pe-to"], [position, "nlpx-pe-from"]]) {
    if (q >= length) continue;
    for (const of of [Math.sin, Math.cos]) {
      put("circle", { class: `nlpx-pe-dot ${role}`, cx: x(q), cy: y(of(q * speed)), r: 4 });
    }
  }
  return svg;
}

/** PE(p) times PE(q) for every q; the axis is the same wherever p is. */
function drawProducts({ width, length, dModel, position, offset, lowest, products }) {
  const top = dModel / 2;
  const { svg, put, x, y, bottom, right } = plotOver({ width, length, position, offset,
    low: Math.min(0, lowest) - 0.04 * top, high: 1.08 * top, kind: "nlpx-pe-products",
    ticks: [0, top / 2, top], label: `Dot product of position ${position} with each of the ${
      length} positions: ${fixed(top, 0)} with itself, less with every other.` });
  put("text", { class: "nlpx-quiet", x: right, y: bottom + 34, "text-anchor": "end" },
    "position q");
  put("path", { class: "nlpx-pe-wave", d: pathOf(products.map((value, q) => [x(q), y(value)])) });
  if (length <= 64) {
    products.forEach((value, q) => put("circle", { class: "nlpx-pe-step", cx: x(q), cy: y(value),
      r: 1.8 }));
  }
  for (const [q, role] of [[position + offset, "nlpx-pe-to"], [position, "nlpx-pe-from"]]) {
    if (q >= length) continue;
    put("circle", { class: `nlpx-pe-dot ${role}`, cx: x(q), cy: y(products[q]), r: 4.5,
      "data-value": products[q].toPrecision(9) });
  }
  return svg;
}

function sample(kind) {
  return draw("svg", { class: "nlpx-swatch", viewBox: "0 0 26 10", width: 26, height: 10,
    "aria-hidden": "true" }, draw("path", { class: kind, d: "M1 5H25" }));
}

function render({ model, el }) {
  const [length, dModel, scale] = ["length", "d_model", "scale"].map((key) => model.get(key));
  const pairs = dModel / 2;
  const rows = Array.from({ length }, (_, q) => encode(q, dModel));
  const lowest = Math.min(...dotProducts(0, length, dModel)); // a distance is all that counts
  const height = clamp(9 * length, 130, 290) + MAP.top + MAP.bottom;
  const shown = { width: 0 };

  const setting = () => ({ length, dModel, position: clamp(model.get("position"), 0, length - 1),
    offset: clamp(model.get("offset"), 0, length - 1), pair: clamp(model.get("pair"), 0, pairs - 1),
    width: shown.width || 380, height, lowest });
  const control = (label, key, last) => slider(model, { label, min: 0, max: last, step: 1,
    value: setting()[key], write: String, onInput: (value) => update(model, { [key]: value }) });
  const sliders = { position: control("Position p", "position", length - 1),
    offset: control("Offset k", "offset", length - 1), pair: control("Pair i", "pair", pairs - 1) };

  const canvas = make("canvas", { class: "nlpx-pe-canvas", "aria-hidden": "true" });
  paint(canvas, rows, scale);
  const marks = make("div", {});
  const map = make("div", { class: "nlpx-pe-map", tabindex: 0, role: "group", "aria-label":
    "Heat map, positions down and dimensions across. Up and down arrow keys move the position, "
    + "left and right the pair." }, canvas, marks);
  const part = (title, ...children) => make("div", { class: "nlpx-pe-part" },
    make("p", { class: "nlpx-pe-title" }, title), ...children);
  const [clock, waves, curve] = [0, 1, 2].map(() => make("div", {}));
  const words = Object.fromEntries(["cell", "turn", "wave", "product"].map((key) => [key,
    make("p", { class: `nlpx-pe-words nlpx-pe-${key}` })]));
  const [named, wavelength] = [make("span", {}), make("span", {})];
  const view = frame(model, el, "Positions as hands of many clocks",
    make("div", { class: "nlpx-controls nlpx-pe-sliders" }, Object.values(sliders).map(({ node }) => node)),
    make("div", { class: "nlpx-pe-parts" },
      part(make("span", {}, "PE: a vector for each position ", make("span", { class: "nlpx-pe-key" },
        make("span", { class: "nlpx-number" }, "\u22121"), make("span", { class: "nlpx-pe-ramp",
          style: `background:linear-gradient(90deg,${scale.map(([fill]) => fill).join(",")})` }),
        make("span", { class: "nlpx-number" }, "1"))), map, words.cell),
      part(named, clock, words.turn),
      part(wavelength, waves, words.wave),
      part("Dot product PE(p) \u00b7 PE(q)", curve, words.product)),
    make("p", { class: "nlpx-note" }, "Click on the heat map to choose a position and a pair; the "
      + "arrow keys move there too. Pair i is dimension 2i, the sine of position times speed, and "
      + "dimension 2i + 1, its cosine; the speed is 10000 to the power \u22122i / d_model. Move "
      + "the position: the angle stays, and the curve moves along without changing its shape."));
  view.node.querySelector(".nlpx-pe-parts").before(view.status);
  view.status.classList.add("nlpx-pe-status");

  function redraw() {
    const now = setting();
    const { position, offset, pair } = now;
    const [speed, to] = [frequencyOf(pair, dModel), position + offset];
    const products = dotProducts(position, length, dModel);
    for (const key of ["position", "offset", "pair"]) sliders[key].show(now[key]);
    marks.replaceChildren(drawMap(now));
    clock.replaceChildren(drawClock(now));
    waves.replaceChildren(drawWaves(now));
    curve.replaceChildren(drawProducts({ ...now, products }));
    const [sine, cosine] = [2 * pair, 2 * pair + 1].map((j) => encode(position, dModel)[j]);
    words.cell.textContent = `PE(${position}) in dimensions ${2 * pair}, ${2 * pair + 1}: ${
      fixed(sine)}, ${fixed(cosine)}`;
    words.turn.textContent = `${offset} \u00d7 ${radians(speed)} = ${turnWords(offset * speed)}`;
    named.textContent = `Pair ${pair} as a clock`;
    wavelength.textContent = `Its waves: wavelength ${
      distance(wavelengthOf(pair, dModel))} positions`;
    words.wave.replaceChildren(
      make("span", {}, sample("nlpx-pe-wave"), `sine, dimension ${2 * pair}`),
      make("span", {}, sample("nlpx-pe-wave nlpx-pe-cosine"), `cosine, dimension ${
        2 * pair + 1}`));
    const largest = fixed(dModel / 2, 0);
    words.product.textContent = `PE(${position}) \u00b7 PE(${to}) = ${offset ? `${fixed(
      dot(encode(position, dModel), encode(to, dModel)))}; with itself ${largest}` : largest}`;
    view.say(describe(now));
  }

  const choose = (position, pair) => update(model, { position: clamp(position, 0, length - 1),
    pair: clamp(pair, 0, pairs - 1) });
  map.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    choose(Math.floor(y * length), Math.floor(x * pairs));
  });
  map.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
      event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { position, pair } = setting();
    choose(position + by[0], pair + by[1]);
  });

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["position", "offset", "pair"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopFollowing = followWidth(map, (width) => {
    shown.width = width;
    Object.assign(canvas.style, { left: `${MAP.left}px`, top: `${MAP.top}px`,
      width: `${width - MAP.left - MAP.right}px`, height: `${height - MAP.top - MAP.bottom}px` });
    redraw();
  });
  return () => { stopListening(); stopFollowing(); };
}

export default { render };
